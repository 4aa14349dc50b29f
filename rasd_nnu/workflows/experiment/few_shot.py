"""Few labelled cases to train on, and held-out ones of other patients to judge on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rasd_nnu.errors import DatasetError
from rasd_nnu.reading import read_table


@dataclass(frozen=True)
class FewShotSplit:
    """Case names of the two sides; no patient is on both."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]


def few_shot_split(cases_csv: Path, labelled: int, held_out: int, seed: int = 0) -> FewShotSplit:
    """Draw labelled and held-out cases, patient by patient.

    Args:
        cases_csv: Table with the columns ``case`` and ``group``.
        labelled: Number of cases to train on.
        held_out: Number of cases to judge on.
        seed: Seed of the order of the patients.

    Raises:
        DatasetError: If the table is damaged, there are too few cases, or the held-out ones are of a single patient.
    """
    rows = read_table(cases_csv, ("case", "group"), DatasetError)
    groups: dict[str, list[str]] = {}
    for row in rows:
        groups.setdefault(row["group"], []).append(row["case"])
    names = sorted(groups)
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    train: list[str] = []
    while order and len(train) < labelled:
        train += groups[order.pop(0)]
    group_of = {row["case"]: row["group"] for row in rows}
    rest = [case for group in order for case in groups[group]]
    if len(train) < labelled or len(rest) < held_out:
        raise DatasetError(
            f"{cases_csv} has {len(rows)} cases in {len(groups)} groups, too few for {labelled} labelled and "
            f"{held_out} held-out ones of other patients. Ask for fewer."
        )
    if held_out > 1 and len({group_of[case] for case in rest[:held_out]}) < 2:
        raise DatasetError(
            f"the {held_out} held-out cases are of one patient, and a comparison needs two or more. Ask for at least "
            f"{len(groups[group_of[rest[0]]]) + 1}."
        )
    return FewShotSplit(tuple(sorted(train[:labelled])), tuple(sorted(rest[:held_out])))
