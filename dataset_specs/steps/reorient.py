"""Bring volumes into one orientation, without interpolation."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.dataset_specs.steps.base import Step

OPPOSITE = str.maketrans("RAI", "LPS")


class Reorient(Step):
    """Permute and flip the axes so that they run as nearly as possible in the given directions.

    Args:
        to: Where x, y and z lead: a letter each of L or R, A or P, I or S (``LPS`` is DICOM's usual order).
    """

    kind: Literal["reorient"] = "reorient"
    to: str = Field(default="LPS", pattern="^[LRAPIS]{3}$")

    @field_validator("to")
    @classmethod
    def _names_three_axes(cls, to: str) -> str:
        if len({letter.translate(OPPOSITE) for letter in to}) != 3:
            raise ValueError(f"give one of L and R, one of A and P, and one of I and S, got {to!r}")
        return to

    def __call__(self, picture: Picture) -> Picture:
        """Return the same voxels in another order, in the same place."""
        import SimpleITK as sitk  # noqa: N813

        from rasd_nnu.dataset_specs.formats.write import to_sitk

        turned = [sitk.DICOMOrient(to_sitk(picture, channel), self.to) for channel in range(picture.channels)]
        geometry = Geometry(turned[0].GetSpacing(), turned[0].GetOrigin(), turned[0].GetDirection())
        return picture.with_array(np.stack([sitk.GetArrayFromImage(image) for image in turned]), geometry)


class Flip(Step):
    """Reverse axes of the array while the geometry stays: for releases that store them the wrong way round.

    Args:
        axes: Which of z, y and x.
    """

    kind: Literal["flip"] = "flip"
    axes: tuple[Literal["z", "y", "x"], ...] = Field(min_length=1)

    def __call__(self, picture: Picture) -> Picture:
        """Return the voxels in reversed order."""
        return picture.with_array(np.flip(picture.array, tuple(1 + "zyx".index(axis) for axis in self.axes)))
