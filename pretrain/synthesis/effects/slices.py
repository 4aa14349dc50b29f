"""Slice thickness (S in eq. 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.effects.base import EFFECTS, Canvas, Drawn, Effect, Stage
from rasd_nnu.pretrain.synthesis.lattice import along_axis, thick_slice_matrix
from rasd_nnu.pretrain.synthesis.priors import Length, Probability


@dataclass(frozen=True)
class ThickSlices(Drawn):
    """Slices across ``axis`` of a ``thickness`` in voxels; the first begins ``offset`` slices before the image."""

    axis: int
    thickness: float
    offset: float

    def apply(self, image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        """Average into slices and interpolate back."""
        if self.thickness <= 1:
            return image
        slices = thick_slice_matrix(image.shape[self.axis], self.thickness, self.offset)
        return along_axis(image, slices.to(image.device), self.axis - image.ndim)


@EFFECTS.add("slices", Stage.SLICES)
class Slices(Effect):
    """Slice thickness along the coarsest axis (S in eq. 4); in 3D only."""

    drawn = ThickSlices

    thickness: Length
    probability: Probability = 0.0

    def draw(self, dice: Dice) -> ThickSlices | None:
        """Draw thickness and offset."""
        if dice.geometry.dims != 3 or not dice.happens(self.probability):
            return None
        axis = int(np.argmax(dice.geometry.spacing))  # the first if all are equal
        return ThickSlices(axis, dice.length_vox(self.thickness, axis), float(dice.generator.random()))
