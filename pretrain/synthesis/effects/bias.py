"""Bias field (B in eq. 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.special import ndtri_exp

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.effects.base import EFFECTS, Canvas, Drawn, Effect, Stage
from rasd_nnu.pretrain.synthesis.filters import EPSILON
from rasd_nnu.pretrain.synthesis.lattice import along_axes, linear_matrix
from rasd_nnu.pretrain.synthesis.priors import Factor, Length, Probability

#: Nodes of the lattice of the noise in one standard deviation of its smoothing; finer changes nothing.
_NODES_PER_SIGMA = 1.5
_FWHM_PER_SIGMA = 2.3548


@dataclass(frozen=True)
class BiasField(Drawn):
    """Smooth noise ``(C, *G)`` on a lattice whose border is that of the image, and its maximum ``(C,)``."""

    field: torch.Tensor
    peak: torch.Tensor

    def over(self, shape: tuple[int, ...], channel: int, device: torch.device) -> torch.Tensor:
        """Return exp(b), b being smooth noise scaled to a maximum (neurite's bias field), ``(*S)``."""
        matrices = [
            linear_matrix(n, g, (g - 1) / (n - 1)).to(device) for n, g in zip(shape, self.field.shape[1:], strict=True)
        ]
        smooth = along_axes(self.field[channel].to(device), matrices)
        return smooth.mul_(float(self.peak[channel]) / smooth.amax().clamp(min=EPSILON)).exp_()

    def apply(self, image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        """Multiply the image with the field."""
        return image.mul_(self.over(tuple(image.shape), canvas.channel, image.device))


@EFFECTS.add("bias", Stage.FIELD)
class Bias(Effect):
    """Smooth multiplicative field (eq. 4): the exponential of smoothed noise with maximum ``peak`` (log scale)."""

    drawn = BiasField

    peak: Factor
    fwhm: Length
    probability: Probability = 1.0
    peak_of_white_noise: bool = False

    def draw(self, dice: Dice) -> BiasField | None:
        """Draw smooth noise on a lattice that is as fine as its smoothing needs."""
        if not dice.happens(self.probability):
            return None
        shape, channels = dice.geometry.shape, dice.geometry.channels
        sigma = [dice.length_vox(self.fwhm, axis) / _FWHM_PER_SIGMA for axis in range(len(shape))]
        steps = [min(1.0, _NODES_PER_SIGMA / max(s, 1e-3)) for s in sigma]  # of a voxel, in nodes
        nodes = [math.ceil((n - 1) * step) + 1 for n, step in zip(shape, steps, strict=True)]
        peak = dice.uniforms(self.peak, channels)
        if self.peak_of_white_noise:
            peak *= _maximum_of_normals(dice.generator, math.prod(shape))
        noise = dice.generator.standard_normal((channels, *nodes))
        smooth = gaussian_filter(noise, (0, *[s * step for s, step in zip(sigma, steps, strict=True)]), mode="nearest")
        return BiasField(torch.from_numpy(smooth.astype(np.float32)), peak)


def _maximum_of_normals(generator: np.random.Generator, count: int) -> float:
    """Draw the maximum of ``count`` independent normals, through its distribution function Phi^count."""
    return float(ndtri_exp(np.log(generator.random()) / count))
