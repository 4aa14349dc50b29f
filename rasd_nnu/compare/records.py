"""Per-case records of a segmentation, read from nnU-Net's ``summary.json``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from rasd_nnu.errors import CompareError
from rasd_nnu.reading import parse_json

BACKGROUND = "0"
_COUNTS = ("TP", "FP", "FN")


@dataclass(frozen=True)
class LabelCounts:
    """Voxel counts of one label in one case; every overlap score follows from them.

    Args:
        tp: Voxels with the label in prediction and reference.
        fp: Voxels with the label in the prediction only.
        fn: Voxels with the label in the reference only.
    """

    tp: int
    fp: int
    fn: int

    @property
    def in_reference(self) -> int:
        """Number of voxels with the label in the reference."""
        return self.tp + self.fn

    @property
    def dice(self) -> float:
        """Dice coefficient, NaN when the label is neither in the prediction nor in the reference."""
        size = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / size if size else math.nan


CaseRecord = dict[str, LabelCounts]  # label (or region, as "(1, 2)") -> counts


def read_summary(path: Path) -> dict[str, CaseRecord]:
    """Read the cases of one ``summary.json``, leaving the background out.

    Args:
        path: File written by ``nnUNetv2_train``, ``nnUNetv2_evaluate_folder`` or
            ``nnUNetv2_accumulate_crossval_results``; a bare ``NaN`` in it is allowed, as nnU-Net writes it.

    Returns:
        Case name (file name without its ending) -> record.

    Raises:
        CompareError: If the file is not such a summary, has no cases, a case twice, or cases with other labels.
    """
    entries = _read_entries(path)
    records: dict[str, CaseRecord] = {}
    for entry in entries:
        case, record = _parse_entry(entry, path)
        if case in records:
            raise CompareError(f"{path} holds case {case!r} twice; expected every case once")
        records[case] = record
    first_case, first = next(iter(records.items()))
    for case, record in records.items():
        if record.keys() != first.keys():
            raise CompareError(
                f"{path}: case {case!r} has labels {', '.join(record)}, but case {first_case!r} has "
                f"{', '.join(first)}; expected the same labels in every case. Evaluate the predictions again."
            )
    return records


def case_name(file: str) -> str:
    """Return the name of a case: the base name of its file without the ending (``.nii.gz`` counts as one)."""
    name = PureWindowsPath(file).name  # splits at / and at \, wherever the summary was written
    return name[: -len(".nii.gz")] if name.endswith(".nii.gz") else PureWindowsPath(name).stem


def _read_entries(path: Path) -> list[Any]:
    what = "is not a summary.json of nnU-Net"
    fix = "Give the file in a fold's validation folder, or one by nnUNetv2_evaluate_folder."
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # a ValueError: not text at all
        raise CompareError(f"cannot read {path}: {error}. {fix}") from None
    if not text.strip():
        raise CompareError(f"{path} {what}: it is empty. {fix}")
    content = parse_json(text, str(path), CompareError, fix)
    entries = content.get("metric_per_case") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise CompareError(f"{path} {what}: it has no list 'metric_per_case'. {fix}")
    if not entries:
        raise CompareError(
            f"{path} has no cases: 'metric_per_case' is empty; expected at least 2. Was anything predicted?"
        )
    return entries


def _parse_entry(entry: Any, path: Path) -> tuple[str, CaseRecord]:
    try:
        case = case_name(entry["reference_file"])
        metrics = {str(label): values for label, values in entry["metrics"].items() if str(label) != BACKGROUND}
        record = {label: LabelCounts(*(_count(values[k]) for k in _COUNTS)) for label, values in metrics.items()}
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise CompareError(
            f"{path} is not a summary.json of nnU-Net v2: a case has no usable entry ({type(error).__name__}: "
            f"{error}); expected reference_file, and TP, FP and FN of each label."
        ) from None
    if not record:
        raise CompareError(f"{path}: case {case!r} has no foreground label; expected at least one")
    return case, record


def _count(value: Any) -> int:
    number = float(value)
    if not (number.is_integer() and number >= 0):
        raise ValueError(f"a voxel count is {value}")
    return int(number)
