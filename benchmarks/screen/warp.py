"""Smooth random displacements of images with their labels, batched."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_CELLS = (2, 4, 8)
_STRENGTH = 0.05


def warped(images: Tensor, labels: Tensor, chance: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Deform a share of a batch.

    Args:
        images: ``(B, C, *S)``.
        labels: ``(B, *S)``.
        chance: Chance of an image to be deformed.
        generator: Source of randomness.
    """
    shape, dims = labels.shape[1:], labels.ndim - 1
    chosen = (torch.rand(len(images), generator=generator) < chance).nonzero()[:, 0]
    if not len(chosen):
        return images, labels
    flow = torch.zeros(len(chosen), dims, *shape)
    mode = "bilinear" if dims == 2 else "trilinear"
    for cells in _CELLS:
        coarse = torch.randn((len(chosen), dims, *[cells + 1] * dims), generator=generator)
        strength = 4 * _STRENGTH / cells * torch.rand((len(chosen), 1, *[1] * dims), generator=generator)
        flow += F.interpolate(coarse * strength, shape, mode=mode, align_corners=True)
    grid = F.affine_grid(
        torch.eye(dims, dims + 1).expand(len(chosen), -1, -1), [len(chosen), 1, *shape], align_corners=True
    )
    grid = grid + flow.movedim(1, -1)
    images, labels = images.clone(), labels.clone()
    images[chosen] = F.grid_sample(images[chosen], grid, padding_mode="border", align_corners=True)
    whole = labels[chosen][:, None].float()
    labels[chosen] = F.grid_sample(whole, grid, mode="nearest", padding_mode="border", align_corners=True)[:, 0].long()
    return images, labels
