"""Map and merge label values."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.dataset_specs.steps.base import Step
from rasd_nnu.dataset_specs.values import listed
from rasd_nnu.errors import DatasetError

LabelValue = Annotated[int, Field(ge=0, le=255)]


class Remap(Step):
    """Turn the values of the release into the labels of the spec; several values may become one label.

    Args:
        values: Every value of the release -> label.
        other: What values become that are not listed; None makes them an error.

    Example:
        >>> from pathlib import Path
        >>> from rasd_nnu.dataset_specs.formats.picture import Geometry
        >>> label = Picture(np.array([[[[0, 205, 420]]]]), Geometry(), Path("a.nii.gz"))
        >>> Remap(values={0: 0, 205: 1, 420: 1})(label).array.ravel().tolist()
        [0, 1, 1]
    """

    kind: Literal["remap"] = "remap"
    values: dict[int, LabelValue] = Field(min_length=1)
    other: LabelValue | None = None

    def __call__(self, label: Picture) -> Picture:
        """Map a label map; the result is uint8.

        Raises:
            DatasetError: It has a value that is not listed.
        """
        names = np.array(sorted(self.values))
        labels = np.array([self.values[name] for name in names.tolist()], dtype=np.uint8)
        mapped = np.empty(label.shape, dtype=np.uint8)
        unknown: set[float] = set()
        for plane, target in zip(label.label_map(), mapped, strict=True):
            places = np.minimum(np.searchsorted(names, plane), len(names) - 1)
            labels.take(places, out=target)
            foreign = names[places] != plane
            if foreign.any():
                target[foreign] = self.other or 0
                unknown.update(np.unique(plane[foreign]).tolist())
        if unknown and self.other is None:
            raise DatasetError(
                f"{label.source} has the label value(s) {listed(sorted(unknown))}, which the spec does not name; it "
                f"names {listed(names.tolist(), 30)}. Correct the file, or add the value to the spec."
            )
        return label.with_array(mapped[None])


class Above(Step):
    """Make two classes: values above a threshold become the label, all others 0.

    Also turns instance ids into one class (``threshold: 0``), and masks from JPEG (``threshold: 127``).

    Args:
        threshold: Largest value that is still background.
        label: What the others become.
    """

    kind: Literal["above"] = "above"
    threshold: float = 0
    label: LabelValue = 1

    def __call__(self, label: Picture) -> Picture:
        """Compare all voxels of a label map; the result is uint8.

        Raises:
            DatasetError: It has several channels, or NaN.
        """
        voxels = label.label_map()
        if np.isnan(voxels).any():
            raise DatasetError(f"{label.source} has NaN among its label values; correct the file or take it out.")
        return label.with_array(np.where(voxels > self.threshold, self.label, 0).astype(np.uint8)[None])
