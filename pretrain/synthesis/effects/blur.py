"""Gaussian blur (K in eq. 4)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.effects.base import EFFECTS, Canvas, Drawn, Effect, Stage
from rasd_nnu.pretrain.synthesis.filters import gaussian_blur
from rasd_nnu.pretrain.synthesis.priors import Length, Probability


@dataclass(frozen=True)
class GaussianBlur(Drawn):
    """Standard deviations in voxels, an axis."""

    sigma: tuple[float, ...]

    def apply(self, image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        """Convolve the image with the Gaussian."""
        return gaussian_blur(image, self.sigma)


@EFFECTS.add("blur", Stage.KERNEL)
class Blur(Effect):
    """Gaussian blur (K in eq. 4), a standard deviation an axis."""

    drawn = GaussianBlur

    sigma: Length
    probability: Probability = 1.0

    def draw(self, dice: Dice) -> GaussianBlur | None:
        """Draw the standard deviations."""
        if not dice.happens(self.probability):
            return None
        return GaussianBlur(tuple(dice.length_vox(self.sigma, axis) for axis in range(dice.geometry.dims)))
