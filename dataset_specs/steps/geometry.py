"""Compare the grids of a label map and its image, and repair what rounding explains."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Literal, overload

import numpy as np
from pydantic import Field

from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.dataset_specs.steps.base import PairStep
from rasd_nnu.errors import DatasetError

SPACING_TOLERANCE = 1e-3


class MatchGeometry(PairStep):
    """Give a label map the geometry of its image, if the two differ by no more than is stated.

    Args:
        tolerance_vox: Largest distance of corresponding corners, in voxels of the image (the shortest edge).
            The default is larger than the rounding of headers and smaller than what shifts a label.
        trim_vox: By how many voxels the shapes may differ along an axis; the larger one is then cut at its end.
            0 where shapes must agree.
        embed: Whether a label map may cover a part of the image only, voxel on voxel (DICOM segmentations leave out
            empty slices); what it does not cover becomes 0.
        trust_image: Take the geometry of the image whatever the label's header says. Only where the release is
            known to have empty headers; the shapes must agree nevertheless.
    """

    kind: Literal["match_geometry"] = "match_geometry"
    tolerance_vox: float = Field(default=0.1, ge=0, le=1)
    trim_vox: int = Field(default=0, ge=0, le=8)
    embed: bool = False
    trust_image: bool = False

    @overload
    def __call__(self, image: Picture, label: Picture) -> tuple[Picture, Picture]: ...

    @overload
    def __call__(self, image: Picture, label: None) -> tuple[Picture, None]: ...

    def __call__(self, image: Picture, label: Picture | None) -> tuple[Picture, Picture | None]:
        """Return the image and the label map on one grid; without a label map there is nothing to do.

        Raises:
            DatasetError: Shapes, spacings or places differ by more than the tolerance.
        """
        if label is None:
            return image, None
        if self.embed:
            label = self._embedded(image, label)
        image, label = self._trim(image, label)
        if not (self.trust_image or not label.spacing_known or not image.spacing_known):
            self._compare(image, label)
        return image, replace(label, geometry=image.geometry, spacing_known=image.spacing_known)

    def _embedded(self, image: Picture, label: Picture) -> Picture:
        """Lay a part on the whole grid; what is not a part of it stays as it is, and is refused afterwards."""
        z, y, x = _offset_vox(image, label)
        fits = all(
            start >= 0 and start + size <= whole
            for start, size, whole in zip((z, y, x), label.shape, image.shape, strict=True)
        )
        if label.shape == image.shape or not fits:
            return label
        whole = np.zeros((label.channels, *image.shape), dtype=label.array.dtype)
        depth, height, width = label.shape
        whole[:, z : z + depth, y : y + height, x : x + width] = label.array
        return label.with_array(whole, label.geometry.shifted((-z, -y, -x)))

    def _trim(self, image: Picture, label: Picture) -> tuple[Picture, Picture]:
        apart = max(abs(a - b) for a, b in zip(label.shape, image.shape, strict=True))
        if apart == 0:
            return image, label
        if apart > self.trim_vox:
            raise DatasetError(
                f"{label.source} has the shape {label.shape} (z, y, x) but its image {image.source} {image.shape}; "
                f"they may differ by {self.trim_vox}. Check that they belong together, or take the case out."
            )
        z, y, x = (min(a, b) for a, b in zip(label.shape, image.shape, strict=True))
        return image.with_array(image.array[:, :z, :y, :x]), label.with_array(label.array[:, :z, :y, :x])

    def _compare(self, image: Picture, label: Picture) -> None:
        ours, theirs = label.geometry.spacing_mm, image.geometry.spacing_mm
        if not np.allclose(ours, theirs, rtol=SPACING_TOLERANCE, atol=0):
            raise DatasetError(
                f"{label.source} has the spacing {_mm(ours)} mm but its image {image.source} {_mm(theirs)} mm. "
                "Correct the header that is wrong, or take the case out."
            )
        apart = _corner_distance_mm(image, label) / min(theirs)
        if not apart <= self.tolerance_vox:  # also refuses NaN
            raise DatasetError(
                f"{label.source} lies {apart:.3g} voxel(s) away from its image {image.source}; tolerated are "
                f"{self.tolerance_vox:g}. Correct the header that is wrong, or take the case out."
            )


def _offset_vox(image: Picture, label: Picture) -> tuple[int, int, int]:
    """Return the voxel (z, y, x) of the image that is nearest to the first voxel of the label map."""
    x, y, z, _ = np.linalg.solve(image.geometry.affine, [*label.geometry.origin_mm, 1.0])
    return round(float(z)), round(float(y)), round(float(x))


def _corner_distance_mm(image: Picture, label: Picture) -> float:
    z, y, x = image.shape
    corners = np.array([[*corner, 1] for corner in itertools.product((0, x - 1), (0, y - 1), (0, z - 1))]).T
    apart = (label.geometry.affine - image.geometry.affine) @ corners
    return float(np.linalg.norm(apart[:3], axis=0).max())


def _mm(spacing: tuple[float, ...]) -> str:
    return "x".join(f"{value:.4g}" for value in spacing)
