"""Resample 2D pictures: to a pixel size, or to a largest edge."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.dataset_specs.steps.base import PairStep
from rasd_nnu.errors import DatasetError


class Resize2D(PairStep):
    """Resample the slices of a picture; exactly one of the three rules.

    Args:
        max_edge: Shrink such that the longer edge has at most so many pixels; smaller pictures stay as they are.
        size: Height and width of the result, whatever the shape was.
        spacing_mm: Edge of a (square) pixel of the result; needs a known spacing.
    """

    kind: Literal["resize_2d"] = "resize_2d"
    max_edge: int | None = Field(default=None, gt=0)
    size: tuple[int, int] | None = None
    spacing_mm: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(rule is not None for rule in (self.max_edge, self.size, self.spacing_mm)) != 1:
            raise ValueError("give exactly one of 'max_edge', 'size' and 'spacing_mm'")
        if self.size is not None and min(self.size) < 1:
            raise ValueError(f"'size' must be at least 1 pixel each, got {self.size}")
        return self

    def __call__(self, image: Picture, label: Picture | None = None) -> tuple[Picture, Picture | None]:
        """Return both in the new size: the image interpolated with anti-aliasing, the label map by nearest values.

        Raises:
            DatasetError: The two have different shapes, or a pixel size is asked for but the spacing is unknown.
        """
        if label is not None and label.shape != image.shape:
            raise DatasetError(f"{label.source} has the shape {label.shape} but its image {image.shape}; not resized.")
        height, width = self._new_shape(image)
        if (height, width) == image.shape[1:]:
            return image, label
        resized = None if label is None else _resized(label, height, width, is_label=True)
        return _resized(image, height, width, is_label=False), resized

    def _new_shape(self, picture: Picture) -> tuple[int, int]:
        height, width = picture.shape[1:]
        if self.size is not None:
            return self.size
        if self.max_edge is not None:
            factor = min(1.0, self.max_edge / max(height, width))
            return max(1, round(height * factor)), max(1, round(width * factor))
        if not picture.spacing_known:
            raise DatasetError(
                f"{picture.source} has no known spacing, so it cannot be resampled to {self.spacing_mm} mm. "
                "Give its spacing in the spec, or use 'max_edge'."
            )
        x, y, _ = picture.geometry.spacing_mm
        edge = self.spacing_mm or 1.0
        return max(1, round(height * y / edge)), max(1, round(width * x / edge))


def _resized(picture: Picture, height: int, width: int, is_label: bool) -> Picture:
    planes = [[_resample(plane, (height, width), is_label) for plane in channel] for channel in picture.array]
    return picture.with_array(np.array(planes), _stretched(picture, height, width))


def _resample(plane: np.ndarray, shape: tuple[int, int], is_label: bool) -> np.ndarray:
    from skimage.transform import resize

    order = 0 if is_label else 1
    new = resize(plane, shape, order=order, anti_aliasing=not is_label, preserve_range=True, mode="edge")
    whole = np.rint(new) if plane.dtype.kind in "iu" else new
    result: np.ndarray = whole.astype(plane.dtype)
    return result


def _stretched(picture: Picture, height: int, width: int) -> Geometry:
    """Return the geometry of pixels that cover the same area in the new number."""
    old_height, old_width = picture.shape[1:]
    fy, fx = old_height / height, old_width / width
    x, y, z = picture.geometry.spacing_mm
    left, posterior, superior, _ = picture.geometry.affine @ np.array([(fx - 1) / 2, (fy - 1) / 2, 0, 1])
    origin = (float(left), float(posterior), float(superior))
    return replace(picture.geometry, spacing_mm=(x * fx, y * fy, z), origin_mm=origin)
