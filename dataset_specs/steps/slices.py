"""Resample a volume to a number of slices."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.dataset_specs.steps.base import Step


class Slices(Step):
    """Interpolate linearly along z, so that volumes with different numbers of slices can be channels of one image.

    Args:
        count: Number of slices of the result; the first and the last one stay as they are.
    """

    kind: Literal["slices"] = "slices"
    count: int = Field(ge=2)

    def __call__(self, picture: Picture) -> Picture:
        """Return the volume with `count` slices over the same extent; integers are rounded."""
        slices = picture.shape[0]
        if slices == self.count:
            return picture
        place = np.linspace(0, slices - 1, self.count)
        lower = np.floor(place).astype(int)
        upper = np.minimum(lower + 1, slices - 1)
        share = (place - lower)[:, None, None]
        array = picture.array[:, lower] * (1 - share) + picture.array[:, upper] * share
        if picture.array.dtype.kind in "iu":
            array = np.rint(array)
        x, y, z = picture.geometry.spacing_mm
        geometry = replace(picture.geometry, spacing_mm=(x, y, z * max(slices - 1, 1) / (self.count - 1)))
        return picture.with_array(array.astype(picture.array.dtype), geometry)
