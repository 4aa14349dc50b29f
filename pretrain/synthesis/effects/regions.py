"""Appearance of the regions (eqs. 2 and 3): a mean and a texture each."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.effects.base import EFFECTS, Canvas, Drawn, Effect, Stage
from rasd_nnu.pretrain.synthesis.filters import gaussian_blur
from rasd_nnu.pretrain.synthesis.priors import OFF, Intensity, Length, Range, Share


@dataclass(frozen=True)
class RegionAppearance(Drawn):
    """``mean`` and ``std`` ``(C, I)`` of the regions, background included; ``partial_volume`` in mm."""

    mean: torch.Tensor
    std: torch.Tensor
    partial_volume: float
    seed: int

    def apply(self, image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        """Fill the regions: x = r_b + sum_i r_i (eq. 3)."""
        index = canvas.label.flatten().int()
        torch.index_select(self.mean[canvas.channel].to(index.device), 0, index, out=image.view(-1))
        if self.partial_volume > 0:
            image = gaussian_blur(image, [self.partial_volume / s for s in canvas.spacing])
        std = self.std[canvas.channel]
        if bool((std > 0).any()):
            noise = canvas.normals(canvas.generator(self.seed))
            image.addcmul_(std.to(index.device).index_select(0, index).view(image.shape), noise)
        return image


@EFFECTS.add("regions", Stage.REGIONS)
class Regions(Effect):
    """Appearance of the regions (eqs. 2 and 3), in intensities before augmentation.

    ``partial_volume`` blurs the boundaries before the texture comes in; ``channel_correlation`` ties the channels.
    """

    drawn = RegionAppearance

    mean: Intensity
    std: Intensity
    background_mean: Intensity
    background_std: Intensity
    channel_correlation: Share = OFF
    partial_volume: Length = Range(low=0, high=0, unit="vox")

    def draw(self, dice: Dice) -> RegionAppearance:
        """Draw means and deviations (eq. 2).

        Texture of region and background are independent normals: one of the summed variance has their law.
        """
        channels = dice.geometry.channels
        mean = dice.uniforms(self.mean, channels, dice.classes)
        if channels > 1:
            # A channel is a blend of the first one and its own draw: correlated stains, or independent sequences.
            share = dice.uniform(self.channel_correlation)
            mean[1:] = share * mean[:1] + (1 - share) * mean[1:]
        std = dice.uniforms(self.std, channels, dice.classes)
        background_mean = dice.uniforms(self.background_mean, channels, 1)
        background_std = dice.uniforms(self.background_std, channels, 1)
        mean, std = mean + background_mean, torch.hypot(std, background_std)
        if dice.air:
            mean[:, :1], std[:, :1] = background_mean, 0.0
        return RegionAppearance(mean, std, dice.length_mm(self.partial_volume), dice.seed())
