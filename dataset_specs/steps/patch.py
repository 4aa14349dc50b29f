"""Cut a patch around a point in the patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.dataset_specs.steps.base import Step
from rasd_nnu.errors import DatasetError

Edge = Annotated[int, Field(ge=1)]


class Patch(Step):
    """Cut a box of voxels around a point that a table gives in mm.

    Args:
        centre: Columns of the table with x, y and z in mm, left, posterior, superior as in SimpleITK (LUNA16 has
            ``coordX``, ``coordY``, ``coordZ``).
        shape: Voxels along z, y, x.
        fill: Value of voxels outside the image; None takes the smallest value of the image.
    """

    kind: Literal["patch"] = "patch"
    centre: tuple[str, str, str]
    shape: tuple[Edge, Edge, Edge]
    fill: float | None = None

    def __call__(self, image: Picture, row: Mapping[str, str]) -> Picture:
        """Return the patch; its voxel (z, y, x) = shape // 2 is the nearest one to the point.

        Args:
            image: Volume.
            row: Column -> text.

        Raises:
            DatasetError: The row has no such columns or numbers, or the point lies outside the image.
        """
        point = self._point(image, row)
        index = np.linalg.solve(image.geometry.affine, [*point, 1.0])[2::-1]
        nearest = np.rint(index).astype(int)
        if (nearest < 0).any() or (nearest >= image.shape).any():
            raise DatasetError(
                f"{image.source}: the point {point} mm lies outside the image (voxel {nearest.tolist()} of "
                f"{list(image.shape)}, z y x). Does the row belong to this image?"
            )
        start = nearest - np.array(self.shape) // 2
        patch = np.full((image.channels, *self.shape), self._fill_of(image), dtype=image.array.dtype)
        low, high = np.maximum(start, 0), np.minimum(start + self.shape, image.shape)
        source = (slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))
        target = (slice(None), *(slice(a, b) for a, b in zip(low - start, high - start, strict=True)))
        patch[target] = image.array[source]
        z, y, x = (int(value) for value in start)
        return image.with_array(patch, image.geometry.shifted((z, y, x)))

    def _point(self, image: Picture, row: Mapping[str, str]) -> tuple[float, ...]:
        try:
            point = tuple(float(row[column]) for column in self.centre)
        except (KeyError, ValueError) as error:
            raise DatasetError(
                f"{image.source}: a row gives no point in the columns {', '.join(self.centre)} ({error!r}). "
                "Correct the table or the spec."
            ) from error
        if not np.isfinite(point).all():
            raise DatasetError(f"{image.source}: the point {point} is not finite. Correct the table.")
        return point

    def _fill_of(self, image: Picture) -> float:
        return float(image.array.min()) if self.fill is None else self.fill
