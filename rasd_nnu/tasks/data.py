"""What prepared data sets of classification and of detection share: cases, patients, folds, few labelled cases."""

from __future__ import annotations

import csv
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError

from rasd_nnu.errors import ConfigError, DatasetError
from rasd_nnu.reading import read_json, read_json_object
from rasd_nnu.records.base import first_fault


@dataclass(frozen=True)
class Case:
    """A case.

    Args:
        name: Its identifier.
        group: Patient.
        split: ``train`` or ``test``.
    """

    name: str
    group: str
    split: str


C = TypeVar("C", bound=Case)
N = TypeVar("N", bound=Hashable)


class Fold(BaseModel):
    """Names of a fold's cases, as nnU-Net writes them into ``splits_final.json``."""

    train: tuple[str, ...]
    val: tuple[str, ...]


@dataclass(frozen=True)
class TaskData(Generic[C]):
    """A prepared data set, without its images.

    Args:
        folder: Raw folder.
        dataset_json: nnU-Net's description.
        cases: All cases.
        folds: Training and validation cases of each fold.
    """

    folder: Path
    dataset_json: dict[str, Any]
    cases: tuple[C, ...]
    folds: tuple[Fold, ...]

    def fold(self, number: int) -> tuple[list[C], list[C]]:
        """Return the training and the validation cases of a fold.

        Raises:
            ConfigError: If there is no such fold.
            DatasetError: If it names a case that there is none of, or one twice.
        """
        if not 0 <= number < len(self.folds):
            raise ConfigError(f"there is no fold {number}, expected 0 to {len(self.folds) - 1}.")
        known = {case.name: case for case in self.cases}
        fold, test = self.folds[number], [case.name for case in self.test_cases()]
        names = [*fold.train, *fold.val]
        if missing := [name for name in names if name not in known]:
            raise DatasetError(
                f"splits_final.json of {self.folder.name} names {missing[0]!r}, which cases.csv has not. "
                "Prepare the data set again."
            )
        if (twice := first_twice([*names, *test])) is not None:
            raise DatasetError(f"case {twice!r} of {self.folder.name} is on two sides of fold {number}. Split anew.")
        return [known[name] for name in fold.train], [known[name] for name in fold.val]

    def test_cases(self) -> list[C]:
        """Return the held-out cases, if there are any."""
        return [case for case in self.cases if case.split == "test"]


def read_folder(folder: Path, others: Sequence[str] = ()) -> tuple[dict[str, Any], list[dict[str, str]], Any]:
    """Read ``dataset.json``, the rows of ``cases.csv``, and the folds of ``splits_final.json``.

    Args:
        folder: Raw folder.
        others: Further files that have to be there.

    Raises:
        DatasetError: If a file is missing or malformed, or a case is there twice.
    """
    for name in ("dataset.json", "cases.csv", "splits_final.json", *others):
        if not (folder / name).is_file():
            raise DatasetError(f"{folder} has no {name}, expected a data set of `rasd_nnu tasks prepare`.")
    content = read_json_object(folder / "dataset.json", DatasetError)
    try:
        with (folder / "cases.csv").open(newline="", encoding="utf-8-sig") as table:
            rows = list(csv.DictReader(table, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"cannot read {folder}/cases.csv: {error}. Prepare the data set again.") from None
    for row in rows:
        if missing := [name for name in ("case", "group", "split") if not row.get(name)]:
            raise DatasetError(
                f"{folder}/cases.csv has a row without {missing[0]!r}: {row}; expected case, group and split "
                "(train or test). Complete or remove it."
            )
    if (twice := first_twice([row["case"] for row in rows])) is not None:
        raise DatasetError(f"{folder}/cases.csv has case {twice!r} twice. Remove a row.")
    try:
        folds = TypeAdapter(tuple[Fold, ...]).validate_python(read_json(folder / "splits_final.json", DatasetError))
    except ValidationError as error:
        raise DatasetError(
            f"{folder}/splits_final.json is no list of folds with 'train' and 'val': {first_fault(error)}. "
            "Prepare anew."
        ) from None
    return content, rows, folds


def first_twice(names: Sequence[N]) -> N | None:
    """Return the first that is there twice, if there is one."""
    seen: set[N] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


def draw_labelled(
    cases: list[C], count: int | None, seed: int, kind: Callable[[Sequence[C]], tuple[int, ...]]
) -> list[C]:
    """Draw ``count`` cases patient by patient, the kinds of patients in turn, so that few cases hold all classes.

    Draws of one seed are nested: the first 20 are among the first 100.

    Args:
        cases: Training cases of a fold.
        count: How many; None for all.
        seed: Of the order.
        kind: Gives a patient's kind from its cases: class numbers. Those with the most classes come first.

    Raises:
        DatasetError: If there are fewer.
    """
    if count is None:
        return cases
    if count > len(cases):
        raise DatasetError(f"{count} labelled cases are asked for, but the fold has {len(cases)} to train on.")
    groups: dict[str, list[C]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    names = sorted(groups)
    queues: dict[tuple[int, ...], list[str]] = {}
    for index in np.random.default_rng([seed, 5]).permutation(len(names)):
        queues.setdefault(kind(groups[names[index]]), []).append(names[index])
    chosen: list[C] = []
    while len(chosen) < count:
        for own in sorted(queues, key=lambda key: (-len(key), key)):
            if queues[own]:
                chosen += groups[queues[own].pop(0)]
    return chosen[:count]
