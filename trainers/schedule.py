"""Linear warm-up, then nnU-Net's polynomial decay, as one schedule."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer

#: nnU-Net's exponent.
POLY_EXPONENT = 0.9


def rate_factor(epoch: float, epochs: int, warmup_epochs: float, step: float) -> float:
    """Return the factor on the initial rate.

    Args:
        epoch: Epochs done, with a fraction within an epoch; 0 to ``epochs``.
        epochs: Length of the run.
        warmup_epochs: Length of the warm-up; 0 for none.
        step: Length of one iteration in epochs, so that the first iteration's rate is not 0.

    Returns:
        A value in [0, 1]: linear up to 1 over the warm-up, then ``(1 - t)^0.9`` with ``t`` from 0 to 1.
    """
    if epoch + step < warmup_epochs:
        return (epoch + step) / warmup_epochs
    progress = (epoch - warmup_epochs) / (epochs - warmup_epochs)
    return float((1 - min(1.0, max(0.0, progress))) ** POLY_EXPONENT)


class WarmupPoly:
    """Set the rate from the number of epochs done, and from nothing else.

    One formula without stages or state of its own: a run that goes on from a checkpoint needs only the epoch.
    (nnU-Net's own warm-up trainer changes optimisers between stages and cannot be resumed under torch >= 2.6.)

    Args:
        optimizer: Its groups' rates are the initial ones.
        epochs: Length of the run.
        warmup_epochs: Length of the warm-up in epochs; a fraction is allowed.
        iterations_per_epoch: Training iterations an epoch.
    """

    def __init__(self, optimizer: Optimizer, epochs: int, warmup_epochs: float, iterations_per_epoch: int) -> None:
        self.optimizer = optimizer
        self.epochs = epochs
        self.warmup_epochs = warmup_epochs
        self.iteration = 1 / iterations_per_epoch
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])

    def step(self, epoch: float) -> None:
        """Set the rate of the iteration that comes ``epoch`` epochs after the start."""
        factor = rate_factor(epoch, self.epochs, self.warmup_epochs, self.iteration)
        group: dict[str, Any]
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
