"""Strong spatial changes of a patch: mirror, rotation and scale as nnU-Net has them, and a smooth displacement."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from rasd_nnu.pretrain.synthesis.regions import uniform
from rasd_nnu.pretrain.synthesis.warp import random_flow, sampled

#: Chance of a rotation, of a scale, and of a displacement; range of the scale. The first two are nnU-Net's.
_ROTATED, _SCALED, _DISPLACED = 0.2, 0.2, 0.8
_SCALE = (0.7, 1.4)
#: Sides of a patch, long to short, from which on nnU-Net rotates 3D patches in their plane alone, and 2D ones a little.
_FLAT_3D, _LONG_2D = 3.0, 1.5


def is_flat(patch: Sequence[int]) -> bool:
    """Tell whether a 3D patch has so few slices that it is rotated in its plane alone."""
    return len(patch) == 3 and max(patch) / patch[0] > _FLAT_3D


def largest_angle(patch: Sequence[int]) -> float:
    """Return how far a patch may be rotated, in radians, as nnU-Net does."""
    if len(patch) == 2:
        return math.pi / 12 if max(patch) / min(patch) > _LONG_2D else math.pi
    return math.pi if is_flat(patch) else math.pi / 6


def reach(patch: Sequence[int]) -> tuple[int, ...]:
    """Return the size of what has to be cut out so that a rotated or scaled patch lies within, as nnU-Net does."""
    from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size

    angle = largest_angle(patch)
    size = [int(n) for n in get_patch_size(patch, *[(-angle, angle)] * 3, (0.85, 1.25))]
    return (patch[0], *size[1:]) if is_flat(patch) else tuple(size)


def deformed(
    image: Tensor, label: Tensor, patch: Sequence[int], spacing: Sequence[float], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Take a deformed patch out of the middle of a larger one.

    Args:
        image: ``(C, *R)``, of the size `reach` of the patch.
        label: ``(*R)``.
        patch: Voxels of the result.
        spacing: Voxel spacing in mm, in which rotations keep angles.
        generator: Source of randomness, on the CPU.

    Returns:
        ``(C, *patch)`` and ``(*patch)`` int64.
    """
    theta = _affine(label.shape, patch, spacing, generator)[None]
    grid = F.affine_grid(theta, [1, 1, *patch], align_corners=True)
    if float(torch.rand((), generator=generator)) < _DISPLACED:
        flow = random_flow(1, patch, generator).movedim(1, -1)
        # The flow is in halves of the patch, the grid in halves of what it is cut out of.
        grid = grid + flow * torch.tensor([(n - 1) / (m - 1) for n, m in zip(patch, label.shape, strict=True)]).flip(0)
    new_image, new_label = sampled(image[None], label[None], grid.to(image.device))
    return new_image[0], new_label[0]


def _affine(outer: Sequence[int], patch: Sequence[int], spacing: Sequence[float], generator: torch.Generator) -> Tensor:
    """Return ``(D, D + 1)`` from places in the patch to places in ``outer``, both from -1 to 1, last axis first."""
    dims = len(patch)
    matrix = torch.diag(1 - 2 * torch.randint(2, (dims,), generator=generator).float())  # mirror
    chance = torch.rand(2, generator=generator)
    if chance[0] < _SCALED:
        matrix = matrix / float(uniform(generator, *_SCALE))
    if chance[1] < _ROTATED:
        matrix = matrix @ _rotation(patch, generator)
    step = torch.tensor(spacing)
    inner_mm, outer_mm = (torch.tensor(patch) - 1) * step, (torch.tensor(outer) - 1) * step
    matrix = matrix * inner_mm / outer_mm[:, None]
    return torch.cat([matrix.flip(0, 1), torch.zeros(dims, 1)], 1)


def _rotation(patch: Sequence[int], generator: torch.Generator) -> Tensor:
    """Return a rotation in the plane of the last two axes or, of a patch that is not flat, one about each axis."""
    dims, angle = len(patch), largest_angle(patch)
    pairs = [(0, 1), (0, 2), (1, 2)] if dims == 3 and not is_flat(patch) else [(dims - 2, dims - 1)]
    matrix = torch.eye(dims)
    for a, b in pairs:
        turn = float(uniform(generator, -angle, angle))
        one = torch.eye(dims)
        one[a, a] = one[b, b] = math.cos(turn)
        one[a, b], one[b, a] = -math.sin(turn), math.sin(turn)
        matrix = matrix @ one
    return matrix
