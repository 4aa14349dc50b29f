"""One grid for two images, and displacements on it as transforms of space."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from rasd_nnu.errors import DatasetError

#: Most voxels of the common grid: beyond, features and costs do not fit into memory.
MOST_VOXELS = 64_000_000


def start_transform(fixed: sitk.Image, moving: sitk.Image, align: str) -> sitk.Transform:
    """Return the map from fixed to moving space that registration starts from.

    Args:
        fixed: Fixed image.
        moving: Moving image.
        align: ``header`` (both lie where their files say) or ``centre`` (the middles of the images meet).
    """
    if align == "header":
        return sitk.Transform(3, sitk.sitkIdentity)
    return sitk.TranslationTransform(3, _middle(moving) - _middle(fixed))


def _middle(image: sitk.Image) -> npt.NDArray[np.float64]:
    centre = [(n - 1) / 2 for n in image.GetSize()]
    return np.asarray(image.TransformContinuousIndexToPhysicalPoint(centre))


def common_grid(
    fixed: sitk.Image, moving: sitk.Image, start: sitk.Transform, spacing: Sequence[float] | None
) -> sitk.Image:
    """Return an empty image that holds both images, with the directions of the fixed one.

    Args:
        fixed: Fixed image.
        moving: Moving image.
        start: Map from fixed to moving space.
        spacing: Along X, Y, Z in mm; that of the fixed image if None.

    Raises:
        DatasetError: If it would have more than `MOST_VOXELS` voxels.
    """
    spacing = tuple(spacing or fixed.GetSpacing())
    inverse = start.GetInverse()
    corners = [np.asarray(point) for point in _corners(fixed)]
    corners += [np.asarray(inverse.TransformPoint(tuple(point))) for point in _corners(moving)]
    axes = np.asarray(fixed.GetDirection()).reshape(3, 3)
    along = np.asarray(corners) @ axes  # coordinates along the axes of the fixed image
    low, high = along.min(0), along.max(0)
    size = [max(1, math.ceil(round((h - b) / s, 6))) for b, h, s in zip(low, high, spacing, strict=True)]
    if math.prod(size) > MOST_VOXELS:
        raise DatasetError(
            f"fixed and moving image together span {' x '.join(map(str, size))} voxels of {tuple(spacing)} mm, "
            f"expected at most {MOST_VOXELS:,}. Give --align centre if they lie far apart, or a larger --spacing."
        )
    grid = sitk.Image(size, sitk.sitkFloat32)
    grid.SetSpacing(spacing)
    grid.SetDirection(fixed.GetDirection())
    grid.SetOrigin(tuple(map(float, axes @ (low + np.asarray(spacing) / 2))))
    return grid


def _corners(image: sitk.Image) -> list[tuple[float, ...]]:
    """Return the outer corners of the corner voxels in mm."""
    ends = [(-0.5, n - 0.5) for n in image.GetSize()]
    return [image.TransformContinuousIndexToPhysicalPoint(corner) for corner in itertools.product(*ends)]


def resampled(image: sitk.Image, grid: sitk.Image, transform: sitk.Transform, *, nearest: bool = False) -> sitk.Image:
    """Return an image on another grid; beyond its border the border's values go on."""
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(grid)
    resampler.SetTransform(transform)
    resampler.SetInterpolator(sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear)
    resampler.SetUseNearestNeighborExtrapolator(not nearest)
    resampler.SetOutputPixelType(image.GetPixelID() if nearest else sitk.sitkFloat32)
    return resampler.Execute(image)


def displacement_transform(displacement: npt.NDArray[Any], grid: sitk.Image, start: sitk.Transform) -> sitk.Transform:
    """Return the map from fixed to moving space.

    Args:
        displacement: Voxels along Z, Y, X to go from each voxel of the grid, ``(Z, Y, X, 3)``.
        grid: The common grid.
        start: What follows the displacement.
    """
    axes = np.asarray(grid.GetDirection()).reshape(3, 3)
    millimetres = displacement[..., ::-1].astype(np.float64) * np.asarray(grid.GetSpacing())
    field = sitk.GetImageFromArray(millimetres @ axes.T, isVector=True)
    field.CopyInformation(grid)
    both = sitk.CompositeTransform(3)
    both.AddTransform(start)
    both.AddTransform(sitk.DisplacementFieldTransform(field))  # what was added last is applied first
    return both
