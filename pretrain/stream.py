"""The stream of samples: fresh ones every step, the same ones whatever the number of processes and workers."""

from __future__ import annotations

import signal
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rasd_nnu.pretrain.synthesis import SynthesisConfig, synthesize, synthesize_views


@dataclass(frozen=True)
class Share:
    """Which samples of the global sequence a process gets.

    Iteration ``t`` consists of ``batch_size`` samples in a row from number ``t * batch_size // reuse`` on, dealt out
    to the processes in equal shares: the sequence depends on seed, batch size and reuse only. With ``reuse`` above 1
    the oldest samples make way for fresh ones, as in a queue, and each is shown about ``reuse`` iterations in a row
    (exactly, if one of reuse and batch size divides the other); a sample stays with its process.

    Args:
        batch_size: Samples of an iteration over all processes.
        rank: Number of this process.
        world_size: Number of processes; divides ``batch_size``.
        reuse: Iterations that show a sample.
    """

    batch_size: int
    rank: int = 0
    world_size: int = 1
    reuse: int = 1

    def indices(self, iteration: int) -> list[int]:
        """Return the sample numbers of an iteration for this process."""
        each = self.batch_size // self.world_size
        oldest = iteration * self.batch_size // self.reuse
        places = range(self.rank * each, (self.rank + 1) * each)
        return [oldest + (place - oldest) % self.batch_size for place in places]


def samples_used(iterations: int, batch_size: int, reuse: int) -> int:
    """Return how many different samples of the stream the first ``iterations`` show."""
    return (iterations - 1) * batch_size // reuse + batch_size if iterations else 0


class Batches(Dataset[tuple[Tensor, Tensor]]):
    """Iteration number -> image ``(B, C, *S)`` and label ``(B, *S)``, synthesised when asked for.

    With several ``views`` the image is ``(B, V, C, *S)``: views of one label map.
    """

    def __init__(self, config: SynthesisConfig, seed: int, share: Share, device: torch.device, views: int = 1) -> None:
        self.config, self.seed, self.share, self.device, self.views = config, seed, share, device, views
        self._shown: dict[int, tuple[Tensor, Tensor]] = {}

    def __getitem__(self, iteration: int) -> tuple[Tensor, Tensor]:
        indices = self.share.indices(iteration)
        if self.share.reuse == 1:
            return self._synthesize(indices)
        fresh = [index for index in indices if index not in self._shown]
        if fresh:
            made = self._synthesize(fresh)
            self._shown |= {index: (made[0][k], made[1][k]) for k, index in enumerate(fresh)}
        self._shown = {index: self._shown[index] for index in indices}
        images, labels = zip(*self._shown.values(), strict=True)
        return torch.stack(images), torch.stack(labels)

    def _synthesize(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        if self.views > 1:
            return synthesize_views(self.config, self.seed, indices, self.views, self.device)
        return synthesize(self.config, seed=self.seed, indices=indices, device=self.device)


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Let a worker outlive the signals that its whole process group gets; it ends with the training process."""
    for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    torch.set_num_threads(1)


def stream(
    batches: Dataset[tuple[Tensor, Tensor]], start: int, stop: int, workers: int = 0
) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Yield the batches of iterations ``start .. stop - 1`` in order.

    Args:
        batches: What to draw from, by the number of an iteration.
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
