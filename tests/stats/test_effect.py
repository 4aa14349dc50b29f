from __future__ import annotations

import itertools

import numpy as np
import pytest

from rasd_nnu.stats import effect_sizes, hodges_lehmann_interval, paired_wilcoxon


def test_hodges_lehmann_is_the_median_of_pairwise_means() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, 13)
    means = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(values, 2)]
    assert effect_sizes(values).hodges_lehmann == pytest.approx(np.median(means), abs=1e-9)


@pytest.mark.parametrize("n", [6, 9, 20])
def test_the_interval_is_what_the_signed_rank_test_does_not_reject(n: int) -> None:
    values = np.random.default_rng(n).normal(0.3, 1, n)
    interval = hodges_lehmann_interval(values)
    for end, outwards in ((interval.low, -1), (interval.high, 1)):
        assert paired_wilcoxon(values - (end - outwards * 1e-6)).p > 0.05
        assert paired_wilcoxon(values - (end + outwards * 1e-6)).p <= 0.05


def test_too_few_units_give_their_range_with_its_own_confidence() -> None:
    interval = hodges_lehmann_interval(np.array([0.1, 0.3, 0.2]))
    assert (interval.low, interval.high, interval.confidence, interval.method) == (0.1, 0.3, 0.75, "range")


def test_many_units_use_the_normal_approximation() -> None:
    values = np.random.default_rng(0).normal(0, 1, 501)
    large, exact = hodges_lehmann_interval(values), hodges_lehmann_interval(values[:500])
    assert large.high - large.low == pytest.approx(exact.high - exact.low, rel=0.03)


def test_effects_of_known_differences() -> None:
    sizes = effect_sizes([0.1, 0.2, -0.1, 0.0])
    assert sizes.probability_of_improvement == (2 + 0.5) / 4
    assert sizes.rank_biserial == pytest.approx(paired_wilcoxon([0.1, 0.2, -0.1, 0.0]).rank_biserial)
    assert sizes.cohen_dz == pytest.approx(0.05 / np.std([0.1, 0.2, -0.1, 0.0], ddof=1))
    assert effect_sizes([0.0, 0.0]).to_dict()["cohen_dz"] is None
