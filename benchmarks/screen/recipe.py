"""How a training of the screen is run: the same for all arms but what the arm names."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from rasd_nnu.pretrain.synthesis.regions import RegionsConfig
from rasd_nnu.pretrain.synthesis.renew import RenewConfig

#: Raised when the code changes what a training gives; earlier records then count for nothing.
PROTOCOL = 3


@dataclass(frozen=True)
class Recipe:
    """Steps and optimiser.

    Args:
        steps: Number of steps.
        batch: Batch size.
        rate: Largest learning rate of AdamW.
        warmup: Share of the steps in which the rate rises from 0; it then falls to 0 by nnU-Net's power of 0.9.
        weight_decay: Of AdamW.
        batch_dice: Whether the Dice loss sums over the batch (nnU-Net: in 2D).
        clip: Largest norm of the gradient (nnU-Net: 12).
        pool: Number of augmented patches that batches are drawn from.
        average: Decay of an exponential moving average of the weights, which is then what is tested; 0 for none.
    """

    steps: int
    batch: int = 8
    rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    batch_dice: bool = True
    clip: float = 12.0
    pool: int = 2048
    average: float = 0.0

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rising = max(1, round(self.warmup * self.steps))
        if step < rising:
            return self.rate * (step + 1) / rising
        return self.rate * (1 - (step - rising) / max(1, self.steps - rising)) ** 0.9


@dataclass(frozen=True)
class Start:
    """Where the weights come from.

    Args:
        maps: Label maps that are learnt from: ``fields`` (the engine's), ``cases`` (the labelled patients').
        steps: Length of the pre-training.
        part: ``whole``, ``encoder``, or ``shallow`` (its first two stages).
        targets: Weight of a segmentation head on the targets (``cases``), beside the prototypes.
        prototypes: Weight of the prototypes.
        shared: One pre-training for all seeds (and tasks of the same patch and channels), as a user has one checkpoint.
        weight: Of the transferred weights in a mean with the initial ones (shrink and perturb, Ash and Adams 2020).
        scales: Whether the prototypes are learnt at all scales of the decoder, not only at the finest.
        cut: Chance that a skip connection is cut for a sample, so that the deeper stages are needed (``fields``).
    """

    maps: str
    steps: int
    part: str = "whole"
    targets: float = 1.0
    prototypes: float = 1.0
    shared: bool = False
    weight: float = 1.0
    scales: bool = False
    cut: float = 0.0


@dataclass(frozen=True)
class Arm:
    """What is compared: a start, and what is mixed into the batches.

    Args:
        name: Short name.
        mix: New appearance of a share of each batch.
        start: Pre-training; random weights without.
        warp: Chance that a patch is deformed, labels and all, by the engine's smooth random displacements.
    """

    name: str
    mix: RenewConfig | None = None
    start: Start | None = None
    warp: float = 0.0

    def settings(self) -> dict[str, Any]:
        """Return all but the name, as plain values; what has its default is left out of the mixing."""
        return {
            "mix": None if self.mix is None else self.mix.model_dump(mode="json"),
            "start": None if self.start is None else asdict(self.start),
            "warp": self.warp,
        }


@dataclass(frozen=True)
class Job:
    """One training.

    Args:
        task: Key of the task.
        arm: The arm.
        recipe: The recipe.
        labelled: Number of labelled patients.
        seed: Which patients, which initial weights, which batches; the same for all arms.
        inner: Inner fold: the labelled patients whose number in order is this, modulo `folds`, are tested on
            instead of the test patients, and not trained on. None for all patients, and the test patients.
        folds: Number of inner folds.
    """

    task: str
    arm: Arm
    recipe: Recipe
    labelled: int = 5
    seed: int = 0
    inner: int | None = None
    folds: int = field(default=2)

    def settings(self) -> dict[str, Any]:
        """Return everything that decides the result."""
        return {
            "protocol": PROTOCOL,
            "task": self.task,
            "labelled": self.labelled,
            "seed": self.seed,
            "inner": None if self.inner is None else [self.inner, self.folds],
            "arm": self.arm.settings(),
            "recipe": asdict(self.recipe),
        }

    @property
    def key(self) -> str:
        """Hash of `settings`."""
        return digest(self.settings())


def digest(content: Any) -> str:
    """Return a short hash of plain values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def checkpoints(steps: int, count: int = 6) -> list[int]:
    """Return the numbers of steps after which the curve has a point, the last one included."""
    return sorted({max(1, math.ceil(steps * (k + 1) / count)) for k in range(count)})


__all__ = ["Arm", "Job", "Recipe", "RegionsConfig", "RenewConfig", "Start", "checkpoints", "digest"]
