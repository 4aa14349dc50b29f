"""What decides the weights of a run besides network and data: the recipe."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rasd_nnu.errors import ConfigError, did_you_mean
from rasd_nnu.pretrain.objective import contrastive
from rasd_nnu.pretrain.objective.prototypes import IMPLEMENTATIONS

SCHEDULES = ("constant", "cosine")
PRECISIONS = ("fp32", "bf16", "fp16")
#: tau of each objective: the paper's, and anatomix'.
TEMPERATURES = {"prototypes": 0.07, "contrastive": contrastive.TEMPERATURE}
#: Seeds end where a signed integer of 64 bits does.
LARGEST_SEED = 2**63 - 1
# More is a slip of the keyboard, and would take all memory or end in a checkpoint that cannot be read.
_MOST = {"iterations": 10**12, "batch_size": 65536, "accumulate": 65536, "reuse": 10**6}


@dataclass(frozen=True)
class Recipe:
    """How to pre-train. The defaults are the paper's (section 4.3) and, where it is silent, its code's.

    `rasd_nnu.pretrain.defaults.recipe_for` makes the recipe that ``rasd_nnu pretrain`` takes by default.

    Args:
        iterations: Optimiser steps.
        budget: Seconds that the run may take, or None; then what fits, by a measurement before it starts, replaces
            ``iterations``. A resumed run keeps its length.
        batch_size: Samples a step, over all devices together; the paper has 2 in 3D and 16 in 2D.
        lr: AdamW's learning rate.
        weight_decay: AdamW's weight decay.
        schedule: ``constant`` (the paper), or ``cosine`` down to zero at the last iteration.
        warmup: Iterations over which the rate rises linearly to ``lr``; below 1, a share of all.
        clip: Largest norm of the gradient, or None for no clipping.
        precision: ``fp32``, or mixed ``bf16`` or ``fp16``.
        accumulate: Parts that a device works through its share of the batch in, to save memory. Part of neither
            the samples nor the loss.
        ema: Decay of a moving average of the weights, which the checkpoint then holds, or None.
        seed: Seed of the samples and of the initial weights, 0 to 2^63 - 1.
        reuse: Iterations in a row that show a sample; the batch is then a queue that fresh samples enter. The
            authors' code has the batch size.
        objective: ``prototypes`` (the paper), or ``contrastive`` (the way of anatomix: every sample comes in two
            views, so that a batch costs the network twice as much).
        temperature: tau; by default that of the objective, `TEMPERATURES`.
        normalize: Compare features on the unit sphere (not in the paper).
        objective_implementation: ``fast``, or ``plain``: the same up to rounding, as the equations are written.

    Raises:
        ConfigError: If a value is out of its range.
    """

    iterations: int = 600_000
    budget: float | None = None
    batch_size: int = 2
    lr: float = 1e-5
    weight_decay: float = 0.01
    schedule: str = "constant"
    warmup: float = 0
    clip: float | None = None
    precision: str = "fp32"
    accumulate: int = 1
    ema: float | None = None
    seed: int = 0
    reuse: int = 1
    objective: str = "prototypes"
    temperature: float = None  # type: ignore[assignment]  # a number once the objective is known
    normalize: bool = False
    objective_implementation: str = "fast"

    def __post_init__(self) -> None:
        for name, known in (
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
            ("objective", tuple(TEMPERATURES)),
            ("objective_implementation", tuple(IMPLEMENTATIONS)),
        ):
            value = getattr(self, name)
            self._require(name, value in known, f"one of {', '.join(known)}.{did_you_mean(value, known)}")
        if self.temperature is None:
            object.__setattr__(self, "temperature", TEMPERATURES[self.objective])
        for name in ("iterations", "batch_size", "accumulate", "reuse"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
            self._require(name, getattr(self, name) <= _MOST[name], f"at most {_MOST[name]}")
        self._require("weight_decay", 0 <= self.weight_decay < math.inf, "at least 0")
        self._require("seed", 0 <= self.seed <= LARGEST_SEED, "0 to 2^63 - 1")
        for name in ("lr", "temperature"):
            self._require(name, 0 < getattr(self, name) < math.inf, "above 0")
        self._require("clip", self.clip is None or self.clip > 0, "above 0 (leave it out for no clipping)")
        self._require("ema", self.ema is None or 0 < self.ema < 1, "between 0 and 1, such as 0.999")
        self._require("budget", self.budget is None or 0 < self.budget < math.inf, "above 0 seconds")
        share_or_whole = 0 <= self.warmup < 1 or float(self.warmup).is_integer()
        self._require("warmup", self.warmup >= 0 and share_or_whole, "a share below 1 or a number of iterations")
        self._require("warmup", self.warmup < self.iterations, f"below the {self.iterations} iterations")

    def _require(self, name: str, good: bool, expected: str) -> None:
        if not good:
            raise ConfigError(f"{name} is {getattr(self, name)!r}, expected {expected}")

    @property
    def knows_its_length(self) -> bool:
        """Whether the rate of an iteration depends on how many there are."""
        return self.schedule != "constant" or 0 < self.warmup < 1

    @property
    def views(self) -> int:
        """Views of each sample that the objective compares."""
        return 2 if self.objective == "contrastive" else 1

    def rate(self, iteration: int) -> float:
        """Return the learning rate of an iteration, counted from 0."""
        warmup = int(self.warmup * self.iterations) if self.warmup < 1 else int(self.warmup)
        if iteration < warmup:
            return self.lr * (iteration + 1) / warmup
        if self.schedule == "constant":
            return self.lr
        done = (iteration - warmup) / (self.iterations - warmup)
        return self.lr * 0.5 * (1 + math.cos(math.pi * done))

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Build a recipe from `to_dict`'s result.

        Raises:
            ConfigError: If a key is unknown or a value out of its range.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                raise ConfigError(f"unknown entry {str(key)[:80]!r} of the recipe.{did_you_mean(str(key), known)}")
        try:
            return cls(**values)
        except TypeError as error:  # a text where a number is expected
            raise ConfigError(f"the recipe is damaged: {error}.") from None
