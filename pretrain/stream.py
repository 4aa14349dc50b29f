"""The stream of samples: fresh ones every step, the same ones whatever the number of processes and workers."""

from __future__ import annotations

import signal
from collections.abc import Generator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rasd_nnu.pretrain.synthesis import SynthesisConfig, synthesize


@dataclass(frozen=True)
class Share:
    """Which samples of the global sequence a process gets.

    Iteration ``t`` consists of the samples ``t * batch_size .. (t + 1) * batch_size - 1``, dealt out to the
    processes in contiguous equal shares: the sequence depends on seed and batch size only.

    Args:
        batch_size: Samples of an iteration over all processes.
        rank: Number of this process.
        world_size: Number of processes; divides ``batch_size``.
    """

    batch_size: int
    rank: int = 0
    world_size: int = 1

    def indices(self, iteration: int) -> list[int]:
        """Return the sample numbers of an iteration for this process."""
        each = self.batch_size // self.world_size
        first = iteration * self.batch_size + self.rank * each
        return list(range(first, first + each))


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Iteration number -> image ``(B, C, *S)`` and label ``(B, *S)``, synthesised when asked for."""

    def __init__(self, config: SynthesisConfig, seed: int, share: Share, device: torch.device) -> None:
        self.config, self.seed, self.share, self.device = config, seed, share, device

    def __getitem__(self, iteration: int) -> tuple[Tensor, Tensor]:
        return synthesize(self.config, seed=self.seed, indices=self.share.indices(iteration), device=self.device)


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Let a worker outlive the signals that its whole process group gets; it ends with the training process."""
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    torch.set_num_threads(1)


def stream(batches: Batches, start: int, stop: int, workers: int = 0) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Yield the batches of iterations ``start .. stop - 1`` in order.

    Args:
        batches: What to draw from.
        start: First iteration.
        stop: One after the last iteration.
        workers: Processes that synthesise ahead; 0 synthesises at each step in this process.
    """
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        worker_init_fn=_leave_signals_to_the_trainer if workers else None,
        # The loader draws a seed for its workers; not from the generator that the network may use.
        generator=torch.Generator().manual_seed(0),
    )
    yield from loader
