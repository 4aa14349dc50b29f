"""Contrast: rescaling and a gamma curve."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.effects.base import EFFECTS, Canvas, Drawn, Effect, Stage
from rasd_nnu.pretrain.synthesis.filters import minmax
from rasd_nnu.pretrain.synthesis.priors import Factor


@dataclass(frozen=True)
class GammaCurve(Drawn):
    """Whether to rescale to 0..1 first, and the exponent ``(C,)``."""

    minmax: bool
    gamma: torch.Tensor

    def apply(self, image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        """Rescale and raise to the exponent; negative values become 0 where the exponent is not 1."""
        image = minmax(image) if self.minmax else image
        gamma = float(self.gamma[canvas.channel])
        return image if gamma == 1 else image.clamp_(min=0).pow_(gamma)


@EFFECTS.add("contrast", Stage.CONTRAST)
class Contrast(Effect):
    """Rescaling to 0..1 (``minmax``) and a gamma curve."""

    drawn = GammaCurve

    minmax: bool
    gamma: Factor

    def draw(self, dice: Dice) -> GammaCurve:
        """Draw the exponents."""
        return GammaCurve(self.minmax, dice.uniforms(self.gamma, dice.geometry.channels))
