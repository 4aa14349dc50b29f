"""How far the difference of two arms varies over seeds, patients and both, in the trainings with few labels.

python benchmarks/calibration_spreads.py

From the records of results/screen: every arm against training from scratch, where both have two seeds or more and 12
patients or more are judged.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from screen_study import RECORDS, Design, Row, design, rows

from rasd_nnu.stats import VarianceComponents, crossed_mean_test

FEWEST_PATIENTS = 12


def measured() -> list[VarianceComponents]:
    """Return the variance components of every such comparison."""
    found: dict[Design, dict[str, dict[int, Row]]] = {}
    for row in rows([path.stem for path in RECORDS.glob("*.jsonl")]):
        found.setdefault(design(row), {}).setdefault(row["name"], {})[row["seed"]] = row
    components = []
    for arms in found.values():
        for arm in arms.keys() - {"scratch"} if "scratch" in arms else ():
            seeds = sorted(arms[arm].keys() & arms["scratch"].keys())
            pair = [[of_arm[seed] for seed in seeds] for of_arm in (arms[arm], arms["scratch"])]
            scores = _scores(pair)
            if len(seeds) > 1 and scores.shape[2] >= FEWEST_PATIENTS:
                components.append(crossed_mean_test(*scores).components)
    return components


def _scores(pair: Sequence[Sequence[Row]]) -> npt.NDArray[np.float64]:
    """Return the mean Dice of each arm, seed and patient that all have, shape (2, seeds, patients)."""
    trainings = list(itertools.chain(*pair))
    shared = sorted(set.intersection(*(set(row["patients"]) for row in trainings)) if trainings else ())
    table = np.array([[[_mean(row["patients"], p) for p in shared] for row in of_arm] for of_arm in pair])
    return table[..., ~np.isnan(table).any((0, 1))] if shared else np.empty((2, 0, 0))


def _mean(patients: Mapping[str, Sequence[float | None]], patient: str) -> float:
    known = [score for score in patients[patient] if score is not None]
    return statistics.fmean(known) if known else float("nan")


def sentence() -> str:
    """Return the medians in Dice points."""
    found = measured()
    parts = [
        f"{100 * max(statistics.median(getattr(c, name) for c in found), 0.0) ** 0.5:.1f} over {what}"
        for name, what in (("seed", "seeds"), ("patient", "patients"), ("residual", "seeds x patients"))
    ]
    return f"{', '.join(parts)} (square roots of the median variances of {len(found)} comparisons)"


if __name__ == "__main__":
    print(sentence())
