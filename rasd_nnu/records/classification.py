"""Records of a classification: ``predictions.csv``, one line a case.

Columns: ``case``, ``group``, ``fold``, then either ``label`` and one ``prob_<class>`` a class (exactly one class a
case), or ``label_<name>`` and ``prob_<name>`` for each of several findings (any number of them a case).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from rasd_nnu.errors import CompareError
from rasd_nnu.files import write_text
from rasd_nnu.records.base import SCHEMAS, RecordModel, first_fault

FIXED = ("case", "group", "fold")
_SUM_TOLERANCE = 1e-3
_WHAT = "a predictions.csv"


class ClassificationCase(RecordModel):
    """One case: its truth and its probabilities.

    Args:
        case: Name of the case, unique in the file.
        group: Patient; the name of the case where each case is a patient of its own.
        fold: Fold whose training predicted it; None for a test set.
        labels: Class or finding -> 1 or 0, or None where the truth of a finding is not known (then it does not count).
        probabilities: Class or finding -> probability.
    """

    case: str = Field(min_length=1)
    group: str = Field(min_length=1)
    fold: int | None = Field(None, ge=0)
    labels: dict[str, Literal[0, 1] | None]
    probabilities: dict[str, float]

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if self.labels.keys() != self.probabilities.keys():
            raise ValueError(
                f"case {self.case!r} has labels of {', '.join(self.labels)} but probabilities of "
                f"{', '.join(self.probabilities)}"
            )
        for name, value in self.probabilities.items():
            if not 0 <= value <= 1:  # NaN, too
                raise ValueError(f"case {self.case!r} has {value} as probability of {name!r}, expected 0 to 1")
        return self


@dataclass(frozen=True)
class Predictions:
    """The cases of one training.

    Args:
        classes: Names of the classes or findings, in the order of the columns.
        multilabel: True if several findings may be present in a case.
        cases: The cases.
    """

    classes: tuple[str, ...]
    multilabel: bool
    cases: tuple[ClassificationCase, ...]


def read_predictions(path: Path) -> Predictions:
    """Read a ``predictions.csv``.

    Raises:
        CompareError: If the file cannot be read, a column is missing, a value is out of its range or a case is there
            twice; the message names file and line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            classes, multilabel = _columns(reader.fieldnames or (), path)
            cases = tuple(_cases(reader, classes, multilabel, path))
    except OSError as error:
        raise CompareError(f"cannot read {path}: {error.strerror}. Give {_WHAT}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise CompareError(f"{path} is not {_WHAT}: {error}. The format is in {SCHEMAS}.") from None
    if not cases:
        raise CompareError(f"{path} has no cases, expected one line a case. Was anything predicted?")
    return Predictions(classes, multilabel, cases)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write a ``predictions.csv``, whole or not at all; probabilities with 9 significant digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    labels = [f"label_{name}" for name in predictions.classes] if predictions.multilabel else ["label"]
    writer.writerow([*FIXED, *labels, *(f"prob_{name}" for name in predictions.classes)])
    for case in predictions.cases:
        truth: list[object] = ["" if case.labels[n] is None else case.labels[n] for n in predictions.classes]
        if not predictions.multilabel:
            truth = [next(name for name in predictions.classes if case.labels[name])]
        numbers = [f"{case.probabilities[name]:.9g}" for name in predictions.classes]
        writer.writerow([case.case, case.group, "" if case.fold is None else case.fold, *truth, *numbers])
    write_text(path, stream.getvalue())


def _columns(columns: Sequence[str], path: Path) -> tuple[tuple[str, ...], bool]:
    """Return the classes and whether the file is of findings, from the names of the columns."""
    twice = {name for name in columns if columns.count(name) > 1}
    if twice:
        raise CompareError(f"{path} has the column {min(twice)!r} twice; expected every column once")
    classes = tuple(name.removeprefix("prob_") for name in columns if name.startswith("prob_"))
    multilabel = "label" not in columns
    wanted = [*FIXED, *([f"label_{name}" for name in classes] if multilabel else ["label"])]
    missing = [name for name in wanted if name not in columns]
    least = 1 if multilabel else 2
    if missing or len(classes) < least:
        lacks = f"no column {missing[0]!r}" if missing else f"{len(classes)} columns prob_<class>, too few"
        raise CompareError(
            f"{path} is not {_WHAT}: it has {lacks} (found: {', '.join(columns) or 'none'}); expected case, group, "
            "fold, label and prob_<class> for each class, or label_<name> and prob_<name> for each finding."
        )
    unknown = set(columns) - {*wanted, *(f"prob_{name}" for name in classes)}
    if unknown:
        raise CompareError(
            f"{path} has the unknown column {min(unknown)!r}; expected {', '.join(wanted)}, prob_<class>"
        )
    return classes, multilabel


def _cases(
    rows: Iterable[Mapping[str, str | None]], classes: Sequence[str], multilabel: bool, path: Path
) -> Iterator[ClassificationCase]:
    seen: set[str] = set()
    for line, row in enumerate(rows, start=2):
        try:
            case = _case(row, classes, multilabel)
        except ValidationError as error:
            raise CompareError(f"{path}, line {line}: {first_fault(error)}") from None
        except ValueError as error:
            raise CompareError(f"{path}, line {line}: {error}") from None
        if case.case in seen:
            raise CompareError(f"{path}, line {line}: case {case.case!r} is there twice; expected every case once")
        seen.add(case.case)
        yield case


def _case(row: Mapping[str, str | None], classes: Sequence[str], multilabel: bool) -> ClassificationCase:
    if None in row.values() or None in row:
        raise ValueError("the number of fields is not that of the columns")
    text = {key: (value or "").strip() for key, value in row.items()}
    probabilities = {name: _probability(text[f"prob_{name}"], name) for name in classes}
    fold = text["fold"]
    if fold and not fold.isdecimal():
        raise ValueError(f"fold is {fold!r}, expected a number, or nothing for a test set")
    case = ClassificationCase(
        case=text["case"],
        group=text["group"],
        fold=int(fold) if fold else None,
        labels={n: _finding(text[f"label_{n}"], n) for n in classes} if multilabel else _one_of(text["label"], classes),
        probabilities=probabilities,
    )
    total = math.fsum(probabilities.values())
    if not multilabel and abs(total - 1) > _SUM_TOLERANCE:
        raise ValueError(f"the probabilities of case {case.case!r} add up to {total:.4g}, expected 1")
    return case


def _probability(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"prob_{name} is {text!r}, expected a number from 0 to 1") from None


def _finding(text: str, name: str) -> Literal[0, 1] | None:
    if text in ("0", "1"):
        return 1 if text == "1" else 0
    if text:
        raise ValueError(f"label_{name} is {text!r}, expected 0, 1, or nothing where it is not known")
    return None


def _one_of(label: str, classes: Sequence[str]) -> dict[str, Literal[0, 1] | None]:
    if label not in classes:
        raise ValueError(f"label is {label!r}, expected one of {', '.join(classes)}")
    return {name: 1 if name == label else 0 for name in classes}
