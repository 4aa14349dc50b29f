"""How long the statistics of a large study take, on one core.

taskset -c 0 env OMP_NUM_THREADS=1 python benchmarks/speed_statistics.py
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from machine import describe_machine

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


def cpu_seconds(function: Callable[[], None]) -> float:
    """Return the CPU time of one call."""
    start = time.process_time()
    function()
    return round(time.process_time() - start, 2)


def main() -> None:
    """Measure and store."""
    jobs = {
        "56 data sets x 200 cases x 5 classes and their mean, 10,000 patterns": large_study,
        "1,000 cases, 100,000 patterns": thousand_cases,
        "3 seeds x 1,000 cases": crossed_seeds,
    }
    seconds = {name: cpu_seconds(function) for name, function in jobs.items()}
    write_text(RESULTS, json.dumps({"machine": describe_machine("cpu"), "seconds": seconds}, indent=1) + "\n")
    print(seconds)


if __name__ == "__main__":
    main()
