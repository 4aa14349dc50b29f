"""Smooth random displacements of images with their labels, batched."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_CELLS = (2, 4, 8)
_STRENGTH = 0.05


def random_flow(count: int, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Draw smooth displacements: coarse grids of Gaussian values, interpolated and summed.

    Args:
        count: Number of fields.
        shape: Voxels.
        generator: Source of randomness, on the CPU.

    Returns:
        ``(count, D, *shape)``, in halves of the image as `torch.nn.functional.grid_sample` has them.
    """
    dims = len(shape)
    flow = torch.zeros(count, dims, *shape)
    mode = "bilinear" if dims == 2 else "trilinear"
    for cells in _CELLS:
        coarse = torch.randn((count, dims, *[cells + 1] * dims), generator=generator)
        strength = 4 * _STRENGTH / cells * torch.rand((count, 1, *[1] * dims), generator=generator)
        flow += F.interpolate(coarse * strength, tuple(shape), mode=mode, align_corners=True)
    return flow


def sampled(images: Tensor, labels: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
    """Read images linearly and labels at the nearest voxel; what lies outside is like the border.

    Args:
        images: ``(B, C, *S)``.
        labels: ``(B, *S)``.
        grid: ``(B, *T, D)`` as for `torch.nn.functional.grid_sample` with aligned corners.

    Returns:
        ``(B, C, *T)`` and ``(B, *T)`` int64.
    """
    image = F.grid_sample(images, grid, padding_mode="border", align_corners=True)
    whole = labels[:, None].to(images.dtype)
    label = F.grid_sample(whole, grid, mode="nearest", padding_mode="border", align_corners=True)
    return image, label[:, 0].long()


def warped(images: Tensor, labels: Tensor, chance: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Deform a share of a batch.

    Args:
        images: ``(B, C, *S)``.
        labels: ``(B, *S)``.
        chance: Chance of an image to be deformed.
        generator: Source of randomness, on the CPU.
    """
    shape, dims = labels.shape[1:], labels.ndim - 1
    chosen = (torch.rand(len(images), generator=generator) < chance).nonzero()[:, 0]
    if not len(chosen):
        return images, labels
    flow = random_flow(len(chosen), shape, generator)
    still = torch.eye(dims, dims + 1).expand(len(chosen), -1, -1)
    grid = F.affine_grid(still, [len(chosen), 1, *shape], align_corners=True) + flow.movedim(1, -1)
    images, labels = images.clone(), labels.clone()
    images[chosen], labels[chosen] = sampled(images[chosen], labels[chosen], grid.to(images.device))
    return images, labels
