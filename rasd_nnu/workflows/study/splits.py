"""Labelled cases of a fold, drawn by patient and nested, as the folds of nnU-Net's ``splits_final.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rasd_nnu.dataset_specs.splits import grouped_folds
from rasd_nnu.errors import ConfigError, DatasetError
from rasd_nnu.files import write_text
from rasd_nnu.nnunet.datasets import patients_of
from rasd_nnu.nnunet.splits import Fold, read_splits
from rasd_nnu.workflows.study.draw import Draw

# Marks of the random streams: the orders of training and of validation patients have nothing to do with each other.
_TRAINING, _VALIDATION = 11, 12


def draw_folds(
    folds: Sequence[Mapping[str, Sequence[str]]],
    patients: Mapping[str, str],
    draws: Sequence[Draw],
    validation_cases: int | None = None,
    dataset: str = "the data set",
) -> list[Fold]:
    """Return a fold of nnU-Net's for each draw.

    The order of a fold's training patients depends on the seed and the fold alone, and a draw takes their cases from
    the first patient on: the 5 cases of a seed are among its 10. The last patient's cases may be cut.

    Args:
        folds: The data set's split by patient.
        patients: Case -> patient.
        draws: What to draw.
        validation_cases: Judge on so many validation cases instead of all: the same for all draws of a fold.
        dataset: Name for messages.

    Raises:
        ConfigError: If there is no such fold.
        DatasetError: If a fold has fewer cases than are asked for.
    """
    found = []
    for draw in draws:
        if draw.fold >= len(folds):
            raise ConfigError(f"there is no fold {draw.fold} of {dataset}, expected 0 to {len(folds) - 1}.")
        train, val = list(folds[draw.fold]["train"]), list(folds[draw.fold]["val"])
        if draw.count is not None:
            assert draw.seed is not None  # checked where it is read
            rng = np.random.default_rng([draw.seed, draw.fold, _TRAINING])
            train = _first(train, patients, draw.count, rng, f"training cases of fold {draw.fold} of {dataset}")
        if validation_cases is not None and validation_cases < len(val):
            rng = np.random.default_rng([draw.fold, _VALIDATION])
            val = _first(val, patients, validation_cases, rng, f"validation cases of fold {draw.fold} of {dataset}")
        found.append({"train": sorted(train), "val": sorted(val)})
    return found


def _first(
    cases: Sequence[str], patients: Mapping[str, str], count: int, rng: np.random.Generator, what: str
) -> list[str]:
    """Return ``count`` cases of the first patients in a random order."""
    of_patient: dict[str, list[str]] = {}
    for case in sorted(cases):
        of_patient.setdefault(patients[case], []).append(case)
    if count > len(cases):
        raise DatasetError(
            f"labelled: {count} are asked for, but there are {len(cases)} {what}, of {len(of_patient)} patients. Ask "
            f"for {len(cases)} at most."
        )
    names = sorted(of_patient)
    ordered = [case for index in rng.permutation(len(names)) for case in of_patient[names[index]]]
    return ordered[:count]


def folds_of(raw: Path) -> list[Fold]:
    """Return the split by patient of a raw data set: its own, else five folds by the patients in ``cases.csv``.

    Raises:
        DatasetError: If its own is damaged, or there are fewer than five patients.
    """
    file = raw / "splits_final.json"
    if file.is_file():
        return read_splits(file, "Prepare the data set anew.")
    names = {_case_of(path.name) for path in (raw / "imagesTr").glob("*_0000.*")}
    if not names:
        raise DatasetError(f"{raw} has no images in imagesTr. Prepare the data set first.")
    return grouped_folds(patients_of(raw.name, sorted(names)))


def write_draws(raw: Path, preprocessed: Path, draws: Sequence[Draw], validation_cases: int | None = None) -> Path:
    """Write ``splits_final.json`` of a planned data set, one fold a draw in this order; return the file.

    Raises:
        UserError: If a fold or cases are missing, or the data set is not planned.
    """
    if not (preprocessed / "dataset.json").is_file():
        raise DatasetError(f"{preprocessed} has no dataset.json: nnU-Net has not planned {raw.name}. Plan it first.")
    folds = folds_of(raw)
    cases = sorted({case for fold in folds for side in fold.values() for case in side})
    content = draw_folds(folds, patients_of(raw.name, cases), draws, validation_cases, raw.name)
    file = preprocessed / "splits_final.json"
    write_text(file, json.dumps(content, indent=1) + "\n")
    return file


def _case_of(image: str) -> str:
    return image[: image.rindex("_0000.")]
