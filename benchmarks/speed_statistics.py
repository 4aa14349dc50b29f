"""How long the statistics of a large study take, on one core.

taskset -c 0 env OMP_NUM_THREADS=1 python benchmarks/speed_statistics.py
"""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from machine import describe_machine
from rich.console import Console

from rasd_nnu.compare.design import Design, Unit
from rasd_nnu.compare.render import print_study
from rasd_nnu.compare.study import compare_study
from rasd_nnu.files import write_text
from rasd_nnu.stats import across_datasets, crossed_mean_test, effect_sizes, holm, mean_test, paired_wilcoxon

RESULTS = Path(__file__).parent / "results/speed_statistics.json"


def large_study() -> None:
    """56 data sets x 200 cases x (5 classes and their mean), 10,000 sign patterns, and the statistics over the sets."""
    scores = np.random.default_rng(0).normal(0.01, 0.05, (56, 200, 5))
    p_values = []
    for dataset in scores:
        rows = [dataset.mean(1), *dataset.T]
        tests = [mean_test(row, n_resamples=10_000) for row in rows]
        for row in rows:
            paired_wilcoxon(row)
            effect_sizes(row)
        p_values.append(tests[0].p)
    holm(p_values)
    across_datasets(scores.mean((1, 2)))


def thousand_cases() -> None:
    """One comparison of 1,000 cases, 100,000 sign patterns."""
    differences = np.random.default_rng(0).normal(0.01, 0.05, 1000)
    mean_test(differences)
    paired_wilcoxon(differences)
    effect_sizes(differences)


def crossed_seeds() -> None:
    """Three seeds x 1,000 cases."""
    scores = np.random.default_rng(0).normal(0.8, 0.05, (2, 3, 1000))
    crossed_mean_test(scores[0], scores[1])


def summary(path: Path, scores: npt.NDArray[np.float64]) -> Path:
    """Write scores, shape (cases, labels), as a ``summary.json``."""
    entries = []
    for i, case in enumerate(scores):
        counts = [round(1000 * float(np.clip(score, 0, 1))) for score in case]
        metrics = {str(k): {"Dice": n / 1000, "TP": n, "FP": 1000 - n, "FN": 1000 - n} for k, n in enumerate(counts, 1)}
        entries.append({"reference_file": f"c{i}.nii.gz", "prediction_file": f"c{i}.nii.gz", "metrics": metrics})
    path.write_text(json.dumps({"metric_per_case": entries}))
    return path


def write_arms(folder: Path, n_sets: int, n_cases: int) -> list[Unit]:
    """Write two arms on so many data sets, 5 labels."""
    rng = np.random.default_rng(0)
    units = []
    for i in range(n_sets):
        scores = rng.normal(0.8, 0.05, (2, n_cases, 5))
        files = [summary(folder / f"{i}_{arm}.json", scores[arm]) for arm in (0, 1)]
        units.append(Unit(Design(f"Dataset{i:03d}"), {"rasd": {None: [files[0]]}, "scratch": {None: [files[1]]}}))
    return units


def show(units: list[Unit]) -> None:
    """Compare and print, as the command does."""
    print_study(compare_study(units, "scratch"), Console(file=io.StringIO()))


def cpu_seconds(function: Callable[[], None]) -> float:
    """Return the CPU time of one call."""
    start = time.process_time()
    function()
    return round(time.process_time() - start, 2)


def main() -> None:
    """Measure and store."""
    jobs: dict[str, Callable[[], None]] = {
        "56 data sets x 200 cases x 5 classes and their mean, 10,000 patterns": large_study,
        "1,000 cases, 100,000 patterns": thousand_cases,
        "3 seeds x 1,000 cases": crossed_seeds,
    }
    with tempfile.TemporaryDirectory() as folder:
        study, large = write_arms(Path(folder), 56, 200), write_arms(Path(folder), 1, 1000)
        jobs |= {
            "the same study from its files, all that compare prints": lambda: show(study),
            "1,000 cases x 5 classes from their files, all that compare prints": lambda: show(large),
        }
        seconds = {name: cpu_seconds(function) for name, function in jobs.items()}
    write_text(RESULTS, json.dumps({"machine": describe_machine("cpu"), "seconds": seconds}, indent=1) + "\n")
    print(seconds)


if __name__ == "__main__":
    main()
