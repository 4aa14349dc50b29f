from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from rasd_nnu.stats import paired_wilcoxon


def _enumerated_p(differences: np.ndarray) -> float:
    """All sign patterns of the ranks, zeros ranked and split (slow reference)."""
    signed = np.sign(differences) * stats.rankdata(np.abs(differences))
    observed = abs(signed.sum())
    sums = [abs(np.dot(s, np.abs(signed))) for s in itertools.product((1, -1), repeat=signed.size)]
    return float(np.mean(np.array(sums) >= observed - 1e-9))


@pytest.mark.parametrize("n", [4, 6, 20, 45])
def test_equals_scipys_exact_test_without_ties(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    expected = stats.wilcoxon(differences, method="exact").pvalue
    assert paired_wilcoxon(differences).p == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_ties_and_zeros_equal_enumeration(seed: int) -> None:
    differences = np.round(np.random.default_rng(seed).normal(0.1, 0.3, 11), 1)
    assert len(set(np.abs(differences))) < 11  # there are ties to handle
    assert paired_wilcoxon(differences).p == pytest.approx(_enumerated_p(differences), rel=1e-12)


def test_ties_above_scipys_limit_are_exact() -> None:
    # 20 equal differences, all in favour: 2 of 2^20 patterns are as extreme. scipy says 7.7e-06 here.
    result = paired_wilcoxon([0.1] * 20)
    assert result.exact
    assert result.p == pytest.approx(2**-19, rel=1e-12)


def test_many_units_use_scipys_approximation() -> None:
    differences = np.random.default_rng(0).normal(0.05, 1, 501)
    result = paired_wilcoxon(differences)
    assert not result.exact
    assert result.p == pytest.approx(stats.wilcoxon(differences, method="asymptotic").pvalue)
    assert paired_wilcoxon(differences[:500]).p == pytest.approx(
        stats.wilcoxon(differences[:500], method="asymptotic").pvalue, rel=0.01
    )


def test_rank_biserial_is_share_for_minus_share_against() -> None:
    assert paired_wilcoxon([0.1, 0.2, 0.3, -0.4]).rank_biserial == pytest.approx((6 - 4) / 10)
    assert paired_wilcoxon([-0.1, -0.2]).rank_biserial == -1


def test_all_zero_gives_one() -> None:
    result = paired_wilcoxon([0.0, 0.0, 0.0])
    assert (result.p, result.smallest_p, result.rank_biserial) == (1.0, 1.0, 0.0)


def test_groups_are_the_units() -> None:
    assert paired_wilcoxon([0.1, 0.2, 0.3, -0.1], groups=[1, 1, 2, 2]) == paired_wilcoxon([0.15, 0.1])
