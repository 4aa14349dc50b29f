"""Several label files of one case become one label map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.dataset_specs.steps.base import Step
from rasd_nnu.dataset_specs.steps.geometry import MatchGeometry
from rasd_nnu.dataset_specs.steps.remap import LabelValue
from rasd_nnu.errors import DatasetError


class Union(Step):
    """Join masks of one class: a voxel has the label where any mask is above the threshold.

    Args:
        threshold: Largest value that is still background.
        label: What the joined mask gets.
    """

    kind: Literal["union"] = "union"
    threshold: float = 0
    label: LabelValue = 1

    def __call__(self, masks: Sequence[Picture]) -> Picture:
        """Return the union, uint8, on the grid of the first mask.

        Raises:
            DatasetError: There is no mask, or they lie on different grids.
        """
        first = _same_grid(masks)
        joined = np.zeros(first.shape, dtype=bool)
        for mask in masks:
            joined |= mask.label_map() > self.threshold
        return first.with_array(np.where(joined, self.label, 0).astype(np.uint8)[None])


class Layers(Step):
    """Lay masks of several classes over one another; where two overlap, the later one wins.

    Args:
        labels: Label of each mask, in the order in which the masks are given.
        threshold: Largest value of a mask that is still background.
        overlap: Whether an overlap is settled by the order or refused.
    """

    kind: Literal["layers"] = "layers"
    labels: tuple[LabelValue, ...]
    threshold: float = 0
    overlap: Literal["later", "refuse"] = "later"

    def __call__(self, masks: Sequence[Picture]) -> Picture:
        """Return one label map, uint8, on the grid of the first mask.

        Raises:
            DatasetError: Their number differs from that of the labels, they lie on different grids, or they overlap
                and `overlap` refuses it.
        """
        if len(masks) != len(self.labels):
            raise DatasetError(f"{len(masks)} mask(s) for {len(self.labels)} label(s); expected one mask a label.")
        first = _same_grid(masks)
        layered = np.zeros(first.shape, dtype=np.uint8)
        for mask, label in zip(masks, self.labels, strict=True):
            inside = mask.label_map() > self.threshold
            doubled = int((inside & (layered != 0)).sum()) if self.overlap == "refuse" else 0
            if doubled:
                raise DatasetError(
                    f"{mask.source} overlaps masks before it in {doubled} voxel(s). Correct the masks, "
                    "or let the later one win with 'overlap: later'."
                )
            layered[inside] = label
        return first.with_array(layered[None])


def _same_grid(masks: Sequence[Picture]) -> Picture:
    if not masks:
        raise DatasetError("there is no mask to join; check the name pattern of the masks and the source folder.")
    for mask in masks[1:]:
        MatchGeometry()(masks[0], mask)
    return masks[0]
