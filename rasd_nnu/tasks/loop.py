"""The training loop of classifiers and detectors: AdamW, warm-up and cosine, exact resume."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rasd_nnu.checkpoints.file import atomic_save, safe_load
from rasd_nnu.errors import CheckpointError, ConfigError
from rasd_nnu.tasks.curve import CURVE, write_curve

_CLIP = 12.0


@dataclass(frozen=True)
class Recipe:
    """How an arm is trained; the same for all arms.

    Args:
        epochs: Length.
        batch_size: Images or patches a step.
        lr: Highest rate of AdamW; falls by a cosine to 0.
        weight_decay: AdamW's weight decay.
        warmup: Share of the training in which the rate rises.
        seed: Of weights, batches and augmentation.
    """

    epochs: int = 20
    batch_size: int = 32
    lr: float = 1e-3
    weight_decay: float = 1e-2
    warmup: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected a number above 0.")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"warmup is {self.warmup}, expected 0 up to (but not) 1.")

    def rate(self, progress: float) -> float:
        """Return the rate when ``progress`` (0 to 1) of the training is done."""
        if progress < self.warmup:
            return self.lr * progress / self.warmup
        return self.lr * 0.5 * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup)))


@dataclass(frozen=True)
class Progress:
    """Where a training keeps what it goes on from, and whom it tells.

    Args:
        state: Resume file, written after each epoch; beside it the losses so far, as `tasks.curve`.
        cases: Names of the training cases, which a training that goes on must share, as it must the recipe.
        origin: Says what the weights began from, which it must share, too.
        tell: Is told epoch and mean loss.
    """

    state: Path
    cases: Sequence[str]
    origin: str | None = None
    tell: Callable[[int, float], None] = lambda epoch, loss: None

    def identity(self, recipe: Recipe) -> dict[str, object]:
        """Return what a training that goes on must share."""
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(recipe).items()}
        return plain | {"cases": list(self.cases), "origin": self.origin}


def seed_of(recipe: Recipe, epoch: int) -> int:
    """Return the seed of all that an epoch draws, so that a resumed training draws what an uninterrupted one does."""
    return int(np.random.SeedSequence([recipe.seed, epoch]).generate_state(1)[0])


def train_epochs(
    network: nn.Module, recipe: Recipe, steps: int, begin: Callable[[int], Callable[[], Tensor]], progress: Progress
) -> None:
    """Train in place, or go on; on the CPU a resumed training ends with the very weights of an uninterrupted one.

    Args:
        network: On its device.
        recipe: How.
        steps: Steps an epoch.
        begin: Begins an epoch, seeded by its number, and returns what draws a batch and returns its loss.
        progress: Where to go on from.

    Raises:
        CheckpointError: If the loss is not finite, or the resume file is damaged or of another training.
    """
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    curve = _resumed_curve(network, optimizer, recipe, progress)
    for epoch in range(len(curve), recipe.epochs):
        loss_of_a_batch, losses = begin(epoch), []
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate((epoch * steps + step + 1) / (recipe.epochs * steps))
            loss = loss_of_a_batch()
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise CheckpointError(f"the loss is not finite in epoch {epoch + 1}. Train again with a lower rate.")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
            optimizer.step()
        curve.append(float(np.mean(losses)))
        progress.tell(epoch, curve[-1])
        write_curve(progress.state.with_name(CURVE), curve)  # first, so that it is whole once the last epoch is done
        content = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "curve": curve}
        atomic_save(content | {"identity": progress.identity(recipe)}, progress.state)


def _resumed_curve(
    network: nn.Module, optimizer: torch.optim.Optimizer, recipe: Recipe, progress: Progress
) -> list[float]:
    """Load what the last epoch left and return the losses of the epochs that are done; none where there is no file."""
    if not progress.state.is_file():
        return []
    content = safe_load(progress.state)
    if content.get("identity") != progress.identity(recipe) or "curve" not in content:
        raise CheckpointError(
            f"{progress.state} belongs to a training with another recipe, other cases or an earlier version. Ask for "
            "the same, or give --overwrite."
        )
    network.load_state_dict(content["network"])
    optimizer.load_state_dict(content["optimizer"])
    return list(content["curve"])
