"""A body with air around it, as in most scans."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.lattice import Geometry
from rasd_nnu.pretrain.synthesis.priors import Range, Share
from rasd_nnu.pretrain.synthesis.structures.base import STRUCTURES, DrawnStructure, Structure

_CELLS = 4  # of the lattice of the surface


@dataclass(frozen=True)
class RoughEllipsoid(DrawnStructure):
    """An ellipsoid with ``centre`` and ``radius`` (shares of the image, an axis) and a rough surface ``(*G)``."""

    centre: tuple[float, ...]
    radius: tuple[float, ...]
    surface: torch.Tensor

    def paint(self, label: torch.Tensor, value: int, geometry: Geometry) -> None:
        """Set what is outside to ``value``; that class has nothing inside."""
        label.masked_fill_(label == value, value + 1)
        label.masked_fill_(~self.inside(geometry, label.device), value)

    def inside(self, geometry: Geometry, device: torch.device) -> torch.Tensor:
        """Return the inside ``(*S)``: the radius varies with a smooth field."""
        distance = torch.zeros((), device=device)
        for axis, n in enumerate(geometry.shape):
            line = (torch.arange(n, device=device) + 0.5) / n - self.centre[axis]
            own = (line / self.radius[axis]).square()
            distance = distance + own.reshape(-1, *[1] * (geometry.dims - axis - 1))
        return distance < (1 + geometry.upsample(self.surface.to(device), _CELLS)).clamp(min=0.1) ** 2


@STRUCTURES.add("body", place=2)
class Body(Structure):
    """A random body; outside of it is class 0 without texture, as air around a patient."""

    drawn = RoughEllipsoid
    air = True

    radius: Share = Range(low=0.6, high=1.0, unit="1")
    roughness: Share = Range(low=0.0, high=0.2, unit="1")

    def draw(self, dice: Dice) -> RoughEllipsoid:
        """Draw an ellipsoid near the centre."""
        dims = dice.geometry.dims
        roughness = dice.uniform(self.roughness)
        return RoughEllipsoid(
            centre=tuple(float(c) for c in dice.generator.uniform(0.45, 0.55, dims)),
            radius=tuple(0.5 * dice.uniform(self.radius) for _ in range(dims)),
            surface=dice.normals(*dice.geometry.lattice(_CELLS).nodes) * roughness,
        )
