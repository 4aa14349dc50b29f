"""Random draws in the units of the priors."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from rasd_nnu.pretrain.synthesis.lattice import Geometry
from rasd_nnu.pretrain.synthesis.priors import Range


def make_generator(entropy: Sequence[int]) -> np.random.Generator:
    """Return the generator of some numbers, independent of that of any others."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(entropy)))


@dataclass(frozen=True)
class Dice:
    """Uniform and normal draws for a sample, or for one part of it.

    Args:
        entropy: Where the randomness starts from.
        geometry: Of the image.
        classes: Classes of the sample, I.
        air: Whether class 0 is the air around a body.
    """

    entropy: tuple[int, ...]
    geometry: Geometry
    classes: int
    air: bool = False

    @cached_property
    def generator(self) -> np.random.Generator:
        """Source of randomness, made when it is first asked for."""
        return make_generator(self.entropy)

    def part(self, name: str) -> Dice:
        """Return dice for a part of the sample, independent of those of any other: a new part changes no other one."""
        return Dice((*self.entropy, zlib.crc32(name.encode())), self.geometry, self.classes, self.air)

    def happens(self, probability: float) -> bool:
        """Return True with the given probability."""
        return probability > 0 and bool(self.generator.random() < probability)

    def uniform(self, prior: Range) -> float:
        """Draw a number from its range."""
        return float(self.generator.uniform(prior.low, prior.high))

    def uniforms(self, prior: Range, *shape: int) -> torch.Tensor:
        """Draw a tensor of numbers, each from the range."""
        return torch.from_numpy(self.generator.uniform(prior.low, prior.high, shape).astype(np.float32))

    def normals(self, *shape: int) -> torch.Tensor:
        """Draw a tensor of standard normal numbers."""
        return torch.from_numpy(self.generator.standard_normal(shape, dtype=np.float32))

    def length_mm(self, prior: Range) -> float:
        """Draw a length, in mm."""
        return self.uniform(prior) * self.geometry.to_mm(prior.unit)

    def length_vox(self, prior: Range, axis: int) -> float:
        """Draw a length along one axis, in its voxels."""
        value, geometry = self.uniform(prior), self.geometry
        return value if prior.unit == "vox" else value * geometry.to_mm(prior.unit) / geometry.spacing[axis]

    def seed(self) -> int:
        """Draw a seed for what is drawn while rendering, at full resolution."""
        return int(self.generator.integers(2**62))
