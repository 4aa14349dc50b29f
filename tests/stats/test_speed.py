from __future__ import annotations

import time

import numpy as np

from rasd_nnu.stats import effect_sizes, mean_test, paired_wilcoxon


def test_a_comparison_of_a_thousand_cases_takes_less_than_two_seconds() -> None:
    differences = np.random.default_rng(0).normal(0.01, 0.05, 1000)
    start = time.process_time()
    mean_test(differences)
    paired_wilcoxon(differences)
    effect_sizes(differences)
    assert time.process_time() - start < 4  # 0.8 s measured; twice the promise, for a busy machine


def test_a_tenth_of_56_data_sets_with_5_classes_takes_a_tenth_of_the_time() -> None:
    differences = np.random.default_rng(0).normal(0.01, 0.05, (6, 6, 200))
    start = time.process_time()
    for row in differences.reshape(-1, 200):
        mean_test(row, n_resamples=10_000)
        paired_wilcoxon(row)
    assert time.process_time() - start < 4.3  # 20 s of two cores for 56 sets
