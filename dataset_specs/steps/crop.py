"""Cut away borders that hold nothing."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.dataset_specs.steps.base import PairStep
from rasd_nnu.errors import DatasetError


class CropEmpty(PairStep):
    """Cut an image, and its label map alike, to the box of what is above a threshold.

    Args:
        threshold: Largest value that counts as empty.
        margin_vox: How many empty voxels stay on each side.
    """

    kind: Literal["crop_empty"] = "crop_empty"
    threshold: float = 0
    margin_vox: int = Field(default=0, ge=0)

    def __call__(self, image: Picture, label: Picture | None = None) -> tuple[Picture, Picture | None]:
        """Return both, cut to the same box; the geometry follows.

        Raises:
            DatasetError: The image is empty, the label map has another shape, or it would lose labelled voxels.
        """
        if label is not None and label.shape != image.shape:
            raise DatasetError(f"{label.source} has the shape {label.shape} but its image {image.shape}; not cropped.")
        box = self._box(image)
        if label is not None:
            outside = np.count_nonzero(label.array) - np.count_nonzero(label.array[(slice(None), *box)])
            if outside:
                raise DatasetError(
                    f"{label.source} has {outside} labelled voxel(s) where its image is empty (at most "
                    f"{self.threshold:g}). Lower the threshold or leave the crop out."
                )
        return _cut(image, box), None if label is None else _cut(label, box)

    def _box(self, image: Picture) -> tuple[slice, ...]:
        filled = np.any(image.array > self.threshold, axis=0)
        if not filled.any():
            raise DatasetError(f"{image.source} is empty: no voxel is above {self.threshold:g}. Take the case out.")
        box = []
        for axis, size in enumerate(image.shape):
            others = tuple(other for other in range(3) if other != axis)
            inside = np.flatnonzero(filled.any(axis=others))
            box.append(slice(max(0, inside[0] - self.margin_vox), min(size, inside[-1] + 1 + self.margin_vox)))
        return tuple(box)


def _cut(picture: Picture, box: tuple[slice, ...]) -> Picture:
    z, y, x = (int(part.start) for part in box)
    return picture.with_array(picture.array[(slice(None), *box)], picture.geometry.shifted((z, y, x)))
