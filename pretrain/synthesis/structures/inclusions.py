"""Small round structures, as nuclei or nodules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.lattice import Geometry
from rasd_nnu.pretrain.synthesis.priors import Count, Length, Range
from rasd_nnu.pretrain.synthesis.structures.base import STRUCTURES, DrawnStructure, Structure


@dataclass(frozen=True)
class Balls(DrawnStructure):
    """Centres ``(n, d)`` as shares of the image, and radii ``(n,)`` in mm."""

    centres: torch.Tensor
    radii: torch.Tensor

    def paint(self, label: torch.Tensor, value: int, geometry: Geometry) -> None:
        """Set the inside of the balls to ``value``."""
        shape, spacing = np.asarray(geometry.shape), np.asarray(geometry.spacing)
        for centre, radius in zip(self.centres.numpy() * shape, self.radii.tolist(), strict=True):
            low = np.maximum(np.floor(centre - radius / spacing), 0).astype(int)
            high = np.minimum(np.ceil(centre + radius / spacing) + 1, shape).astype(int)
            box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            axes = np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij")
            distance = sum(((x + 0.5 - c) * s) ** 2 for x, c, s in zip(axes, centre, spacing, strict=True))
            ball = torch.from_numpy(np.asarray(distance) <= radius**2)
            label[box].masked_fill_(ball.to(label.device), value)


@STRUCTURES.add("inclusions", place=0)
class Inclusions(Structure):
    """Small round structures, as nuclei or nodules; they are the last class, or the last but one beside tubes."""

    drawn = Balls

    count: Count = Range(low=1, high=30, unit="count")
    radius: Length = Range(low=0.01, high=0.04, unit="fraction")

    def draw(self, dice: Dice) -> Balls:
        """Draw number, places and sizes."""
        count = round(dice.uniform(self.count))
        unit = dice.geometry.to_mm(self.radius.unit)
        radii = dice.generator.uniform(self.radius.low, self.radius.high, count) * unit
        return Balls(torch.from_numpy(dice.generator.random((count, dice.geometry.dims))), torch.from_numpy(radii))
