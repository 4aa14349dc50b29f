from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rasd_nnu.stats import across_datasets, bayesian_signed_rank, friedman_nemenyi, mean_test, paired_wilcoxon


def _slow_signed_rank(z: np.ndarray, rope: float, prior: float, draws: int) -> np.ndarray:
    """Benavoli et al. 2014, equation by equation: a loop over draws and pairs."""
    rng = np.random.default_rng(7)
    values = np.append(z, 0.0)
    votes = np.zeros(3)
    for _ in range(draws):
        w = rng.dirichlet(np.append(np.ones(z.size), prior))
        share = np.zeros(3)
        for i, a in enumerate(values):
            for j, b in enumerate(values):
                share[0 if a + b < -2 * rope else 2 if a + b > 2 * rope else 1] += w[i] * w[j]
        votes[share.argmax()] += 1
    return votes / draws


def test_bayesian_signed_rank_equals_a_slow_reference() -> None:
    z = np.array([0.02, -0.01, 0.03, 0.005, 0.012, -0.004, 0.018])
    found = bayesian_signed_rank(z, rope=0.01)
    slow = _slow_signed_rank(z, 0.01, 0.5, 1500)
    assert (found.p_b_better, found.p_equal, found.p_a_better) == pytest.approx(tuple(slow), abs=0.05)
    assert found.p_b_better + found.p_equal + found.p_a_better == pytest.approx(1)


def test_bayesian_signed_rank_in_the_limits() -> None:
    assert bayesian_signed_rank(np.full(20, 0.05), rope=0.01).p_a_better > 0.99
    assert bayesian_signed_rank(np.full(20, -0.05), rope=0.01).p_b_better > 0.99
    assert bayesian_signed_rank(np.full(20, 0.001), rope=0.01).p_equal > 0.99
    with pytest.raises(ValueError, match="rope"):
        bayesian_signed_rank([0.1, 0.2], rope=-1)


def test_across_datasets_takes_each_set_as_one_unit() -> None:
    means = np.random.default_rng(0).normal(0.01, 0.02, 15)
    found = across_datasets(means)
    assert found.test == mean_test(means)
    assert found.wilcoxon == paired_wilcoxon(means)
    assert found.wins + found.ties + found.losses == found.n_datasets == 15


def test_friedman_ranks_with_ties() -> None:
    scores = np.array([[0.9, 0.8, 0.8], [0.7, 0.9, 0.6], [0.5, 0.5, 0.5], [0.8, 0.9, 0.7]])
    found = friedman_nemenyi(scores)
    assert found.mean_ranks == pytest.approx(((1 + 2 + 2 + 2) / 4, (2.5 + 1 + 2 + 1) / 4, (2.5 + 3 + 2 + 3) / 4))
    expected = stats.friedmanchisquare(*scores.T)
    assert (found.chi_square, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    f = 3 * expected.statistic / (4 * 2 - expected.statistic)
    assert (found.f, found.p_f) == pytest.approx((f, stats.f.sf(f, 2, 6)))


def test_the_critical_difference_of_demsars_example() -> None:
    """Demsar 2006, section 3.2.2: 4 classifiers on 14 data sets, CD = 2.569 * sqrt(4 * 5 / (6 * 14)) = 1.25."""
    assert friedman_nemenyi(np.random.default_rng(0).random((14, 4))).critical_difference == pytest.approx(
        1.25, abs=5e-3
    )


@pytest.mark.parametrize(("k", "q"), [(3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_critical_values_of_demsars_table_5(k: int, q: float) -> None:
    scores = np.random.default_rng(k).random((12, k))
    found = friedman_nemenyi(scores)
    assert found.critical_difference == pytest.approx(q * np.sqrt(k * (k + 1) / (6 * 12)), abs=1.5e-3)
    ranks = np.array(found.mean_ranks)
    differs = np.abs(ranks[:, None] - ranks) >= found.critical_difference
    assert np.array_equal(np.array(found.pairwise_p) <= 0.05, differs)


@pytest.mark.parametrize(
    ("scores", "message"),
    [(np.ones((5, 2)), "3 or more arms"), (np.ones((5, 3)), "same score"), (np.full((4, 3), np.nan), "finite")],
)
def test_friedman_refuses(scores: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        friedman_nemenyi(scores)
