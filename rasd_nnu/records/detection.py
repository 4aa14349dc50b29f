"""Records of a detection: ``detections.json``, true and predicted boxes of each case.

Boxes are ``[x1, y1, x2, y2]`` or ``[x1, y1, z1, x2, y2, z2]`` in continuous voxel coordinates of the original image:
voxel i covers the interval from i to i + 1, so that a box over the voxels 2, 3 and 4 has x1 = 2, x2 = 5 and a width of
3. x is the axis of columns (the first of a NIfTI array), y that of rows, z that of slices.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from rasd_nnu.files import write_text
from rasd_nnu.records.base import RecordModel, parse_model

Box = tuple[float, float, float, float] | tuple[float, float, float, float, float, float]
VERSION: Literal[1] = 1


class DetectionCase(RecordModel):
    """One case: what is there and what was found.

    Args:
        case: Name of the case, unique in the file.
        group: Patient; the name of the case where each case is a patient of its own.
        fold: Fold whose training predicted it; None for a test set.
        boxes_true: True boxes.
        labels_true: Class of each true box, as an index into the classes.
        boxes: Predicted boxes, overlapping ones of one object suppressed.
        scores: Score of each predicted box, 0 to 1.
        labels: Class of each predicted box.
    """

    case: str = Field(min_length=1)
    group: str = Field(min_length=1)
    fold: int | None = Field(None, ge=0)
    boxes_true: tuple[Box, ...]
    labels_true: tuple[int, ...]
    boxes: tuple[Box, ...]
    scores: tuple[float, ...]
    labels: tuple[int, ...]

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if len(self.boxes_true) != len(self.labels_true):
            raise ValueError(
                f"case {self.case!r} has {len(self.boxes_true)} true boxes, {len(self.labels_true)} labels"
            )
        if not len(self.boxes) == len(self.scores) == len(self.labels):
            raise ValueError(
                f"case {self.case!r} has {len(self.boxes)} boxes, {len(self.scores)} scores, {len(self.labels)} labels"
            )
        for box in (*self.boxes_true, *self.boxes):
            half = len(box) // 2
            if not (
                all(map(math.isfinite, box)) and all(low < high for low, high in zip(box, box[half:], strict=False))
            ):
                raise ValueError(
                    f"case {self.case!r} has the box {list(box)}, expected lower corner, then upper corner"
                )
        for score in self.scores:
            if not 0 <= score <= 1:
                raise ValueError(f"case {self.case!r} has the score {score}, expected 0 to 1")
        return self


class Detections(RecordModel):
    """The cases of one training.

    Args:
        version: Version of the format.
        classes: Names of the classes.
        cases: The cases, all of one dimension.
    """

    version: Literal[1] = VERSION
    classes: tuple[str, ...] = Field(min_length=1)
    cases: tuple[DetectionCase, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        seen: set[str] = set()
        for case in self.cases:
            if case.case in seen:
                raise ValueError(f"case {case.case!r} is there twice; expected every case once")
            seen.add(case.case)
            wrong = [n for n in (*case.labels_true, *case.labels) if not 0 <= n < len(self.classes)]
            if wrong:
                raise ValueError(f"case {case.case!r} has the label {wrong[0]}, expected 0 to {len(self.classes) - 1}")
        if len({len(box) for case in self.cases for box in (*case.boxes_true, *case.boxes)}) > 1:
            raise ValueError("some boxes have 4 numbers and some 6; expected one dimension in a file")
        return self


def read_detections(path: Path) -> Detections:
    """Read a ``detections.json``.

    Raises:
        CompareError: If the file cannot be read or does not follow the format; the message names the first fault.
    """
    return parse_model(Detections, path, "a detections.json")


def write_detections(path: Path, classes: Sequence[str], cases: Sequence[DetectionCase]) -> None:
    """Write a ``detections.json``, whole or not at all.

    Raises:
        ValueError: If the cases do not fit together (pydantic's ``ValidationError``).
    """
    content = Detections(classes=tuple(classes), cases=tuple(cases)).model_dump(mode="json")
    write_text(path, json.dumps(content, allow_nan=False) + "\n")
