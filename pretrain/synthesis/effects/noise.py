"""Noise of the whole image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.effects.base import EFFECTS, Canvas, Drawn, Effect, Stage
from rasd_nnu.pretrain.synthesis.priors import Factor, Probability


@dataclass(frozen=True)
class ImageNoise(Drawn):
    """Noise of a kind, whose ``std`` is relative to the largest magnitude of the image."""

    kind: str
    std: float
    seed: int

    def apply(self, image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        """Add the noise.

        Rician is the magnitude of a complex signal (MR), speckle is multiplicative (ultrasound), and Poisson's
        variance grows with the signal (counts; by its normal approximation).
        """
        generator = canvas.generator(self.seed)
        noise = canvas.normals(generator)
        if self.kind == "speckle":
            return image.addcmul_(image, noise, value=self.std)
        low, high = torch.aminmax(image)
        std = self.std * torch.maximum(high, -low)
        if self.kind == "rician":
            return torch.hypot(image.addcmul_(noise, std), canvas.normals(generator).mul_(std))
        if self.kind == "poisson":
            return image.add_(image.clamp(min=0).mul_(std * self.std).sqrt_().mul_(noise))
        return image.addcmul_(noise, std)


@EFFECTS.add("noise", Stage.NOISE)
class Noise(Effect):
    """Noise of the whole image after the bias field; one of ``kinds`` is drawn, ``std`` relative to the maximum."""

    drawn = ImageNoise

    kinds: Annotated[tuple[Literal["gaussian", "rician", "speckle", "poisson"], ...], Field(min_length=1)]
    std: Factor
    probability: Probability = 1.0

    def draw(self, dice: Dice) -> ImageNoise | None:
        """Draw kind and strength."""
        if not dice.happens(self.probability):
            return None
        kind = self.kinds[int(dice.generator.integers(len(self.kinds)))]
        return ImageNoise(kind, dice.uniform(self.std), dice.seed())
