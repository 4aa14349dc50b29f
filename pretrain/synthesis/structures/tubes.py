"""Thin curved structures, as vessels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.lattice import Geometry
from rasd_nnu.pretrain.synthesis.priors import MAX_CELLS, Length, Range
from rasd_nnu.pretrain.synthesis.structures.base import STRUCTURES, DrawnStructure, Structure


@dataclass(frozen=True)
class ZeroCurves(DrawnStructure):
    """Fields ``(d - 1, *G)`` whose common zeros are curves, and the radius of the tubes around them in mm."""

    fields: torch.Tensor
    cells: int
    radius: float

    def paint(self, label: torch.Tensor, value: int, geometry: Geometry) -> None:
        """Set what is near the curves to ``value``."""
        label.masked_fill_(self.inside(geometry, label.device), value)

    def inside(self, geometry: Geometry, device: torch.device) -> torch.Tensor:
        """Return where the distance to the common zeros of the fields is below the radius ``(*S)``.

        The distance to the zeros of a field f is |f| / |grad f| to first order, which keeps the tubes' radius even;
        in 3D the zeros of two fields meet in curves.
        """
        fields = geometry.upsample(self.fields.to(device), self.cells)
        axes = tuple(range(1, geometry.dims + 1))
        gradients = torch.gradient(fields, spacing=list(geometry.spacing), dim=axes)
        squared = sum((g**2 for g in gradients), torch.zeros_like(fields))
        return (fields**2 / squared.clamp(min=1e-12)).sum(0) < self.radius**2


@STRUCTURES.add("tubes", place=1)
class Tubes(Structure):
    """Thin curved structures, as vessels (blob fields never make them); they are the last class."""

    drawn = ZeroCurves

    radius: Length = Range(low=0.005, high=0.02, unit="fraction")
    cells: Annotated[int, Field(ge=2, le=MAX_CELLS)] = 4

    def draw(self, dice: Dice) -> ZeroCurves:
        """Draw the fields and the radius."""
        nodes = dice.geometry.lattice(self.cells).nodes
        return ZeroCurves(dice.normals(dice.geometry.dims - 1, *nodes), self.cells, dice.length_mm(self.radius))
