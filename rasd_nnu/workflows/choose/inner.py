"""Inner folds: the training cases of a fold, divided by patient once more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rasd_nnu.errors import DatasetError


@dataclass(frozen=True)
class InnerFold:
    """Cases to train on and cases to score, all of them training cases of the outer fold."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def inner_folds(patients: dict[str, str], cases: list[str], count: int, seed: int = 0) -> list[InnerFold]:
    """Divide ``cases`` into inner folds, no patient on both sides of one.

    Args:
        patients: Case -> patient.
        cases: Training cases of the outer fold.
        count: Number of inner folds; at most one a patient.
        seed: Of the division.

    Raises:
        DatasetError: If there are fewer than two patients.
    """
    names = sorted({patients[case] for case in cases})
    if len(names) < 2:
        raise DatasetError(
            f"the training cases are of {len(names)} patient, expected 2 or more: nothing can be chosen on patients "
            "that were not trained on. Use RaSDTrainer_scratch, or label another patient."
        )
    order = np.random.default_rng(seed).permutation(len(names))
    folds = []
    for part in np.array_split(order, min(count, len(names))):
        held = {names[i] for i in part}
        sides: tuple[list[str], list[str]] = ([], [])
        for case in sorted(cases):
            sides[patients[case] in held].append(case)
        folds.append(InnerFold(tuple(sides[0]), tuple(sides[1])))
    return folds
