"""How good a registration is, by labels of both images and by the deformation itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813

from rasd_nnu.compare.surface import of_label
from rasd_nnu.errors import DatasetError


@dataclass(frozen=True)
class Overlap:
    """Agreement of one label.

    Args:
        label: Its value.
        dice: Dice, 0 to 1.
        hd95: 95th percentile of the surface distance in mm; the diagonal of the image where nothing was warped there.
    """

    label: int
    dice: float
    hd95: float


def overlaps(fixed: sitk.Image, warped: sitk.Image) -> list[Overlap]:
    """Compare warped labels with those of the fixed image; labels are those of the fixed image, without 0.

    Raises:
        DatasetError: If the fixed image has no labels, or the grids differ.
    """
    if fixed.GetSize() != warped.GetSize():
        raise DatasetError(f"the labels have the size {warped.GetSize()}, the fixed image {fixed.GetSize()}.")
    reference, moved = sitk.GetArrayFromImage(fixed), sitk.GetArrayFromImage(warped)
    values = [int(value) for value in np.unique(reference) if value != 0]
    if not values:
        raise DatasetError("the label map of the fixed image is empty, expected labels other than 0.")
    spacing = tuple(reversed(fixed.GetSpacing()))
    found = []
    for value in values:
        a, b = moved == value, reference == value
        dice = 2.0 * float((a & b).sum()) / float(a.sum() + b.sum())
        found.append(Overlap(value, dice, of_label(a, b, spacing, tolerance_mm=1.0)["hd95"]))
    return found
