"""Random heat maps and their deformation (eq. 1): priors and draws; `masks` makes label maps of them."""

from __future__ import annotations

import math
from typing import Literal, Self

import torch
from pydantic import model_validator

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.priors import MAX_CELLS, Cells, Displacement, Factor, Frozen, Probability


class Heatmaps(Frozen):
    """Random heat maps, one a class (eq. 1). ``cells``: lattice cells along the longest side, one entry a scale."""

    cells: Cells
    std: Factor
    shared_std: bool = False

    @model_validator(mode="after")
    def _mergeable(self) -> Self:
        if math.lcm(*self.cells) > MAX_CELLS:
            raise ValueError(f"expected a least common multiple of at most {MAX_CELLS}")
        return self

    def draw(self, dice: Dice) -> tuple[torch.Tensor, ...]:
        """Draw the heat maps of all classes, ``(I, *G)`` a scale."""
        drawn = []
        for cells in self.cells:
            nodes = dice.geometry.lattice(cells).nodes
            std = dice.uniforms(self.std, 1 if self.shared_std else dice.classes)
            drawn.append(dice.normals(dice.classes, *nodes) * std.reshape(-1, *[1] * len(nodes)))
        return tuple(drawn)


class Deformation(Frozen):
    """Random displacement of the heat maps (eq. 1); ``per_class`` gives each heat map a field of its own."""

    cells: Cells
    std: Displacement
    probability: Probability = 1.0
    per_class: bool = False
    padding: Literal["border", "zeros"] = "border"
    half_voxel_drift: bool = False

    def draw(self, dice: Dice) -> tuple[torch.Tensor, ...]:
        """Draw displacements in mm, ``(K, d, *G)`` a scale with K = I or 1; none at all if there is none."""
        if not dice.happens(self.probability):
            return ()
        drawn = []
        for cells in self.cells:
            lattice = dice.geometry.lattice(cells)
            std_mm = dice.uniform(self.std) * dice.geometry.to_mm(self.std.unit, lattice.node_distance)
            fields = dice.classes if self.per_class else 1
            drawn.append(dice.normals(fields, dice.geometry.dims, *lattice.nodes) * std_mm)
        return tuple(drawn)
