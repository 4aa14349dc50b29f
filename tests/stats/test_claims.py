"""Equivalence, McNemar, power and the two-way bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from rasd_nnu.stats import (
    crossed_mean_test,
    crossed_power,
    crossed_sizes,
    equivalence,
    mcnemar,
    paired_power,
    paired_sizes,
    pigeonhole,
)


@pytest.mark.parametrize("shift", [0.0, 0.012, -0.03])
def test_equivalence_equals_statsmodels(shift: float) -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(0.8, 0.05, 30)
    b = a - shift + rng.normal(0, 0.02, 30)
    p, below, above = ttost_paired(a, b, -0.01, 0.01)
    d = a - b
    found = equivalence(d.mean(), d.std(ddof=1) / np.sqrt(30), 29, margin=0.01)
    assert (found.p, found.p_not_worse, found.p_not_better) == pytest.approx((p, below[1], above[1]), abs=1e-10)
    assert found.equivalent == (found.interval.low > -0.01 and found.interval.high < 0.01)
    assert found.not_worse == (found.interval.low > -0.01)


@pytest.mark.parametrize(("margin", "se"), [(0.0, 0.1), (0.01, 0.0)])
def test_equivalence_refuses(margin: float, se: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        equivalence(0.0, se, 10, margin)


@pytest.mark.parametrize("seed", range(3))
def test_mcnemar_equals_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random(50) < 0.8, rng.random(50) < 0.6
    table = [[(a & b).sum(), (a & ~b).sum()], [(b & ~a).sum(), (~a & ~b).sum()]]
    found = mcnemar(a, b)
    assert found.p == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue, abs=1e-12)
    assert found.difference == pytest.approx(a.mean() - b.mean())


def test_mcnemar_without_discordant_cases_and_bad_input() -> None:
    assert mcnemar([True, False], [True, False]).p == 1.0
    with pytest.raises(ValueError, match="booleans"):
        mcnemar([1, 0], [1, 1])
    with pytest.raises(ValueError, match="one length"):
        mcnemar([True], [True, False])


@pytest.mark.parametrize(("effect", "n"), [(0.3, 20), (0.5, 40), (1.0, 8)])
def test_power_of_one_training_equals_statsmodels(effect: float, n: int) -> None:
    assert paired_power(effect, 1.0, n) == pytest.approx(TTestPower().power(effect, n, 0.05), abs=1e-8)
    needed = paired_sizes(effect, 1.0, n).patients
    assert needed == int(np.ceil(TTestPower().solve_power(effect, power=0.8, alpha=0.05)))


def test_crossed_power_is_what_a_simulation_finds() -> None:
    rng = np.random.default_rng(0)
    d = rng.normal(0, 0.012, (6, 1)) + rng.normal(0, 0.05, 60) + rng.normal(0, 0.03, (6, 60))
    parts = crossed_mean_test(d, np.zeros((6, 60))).components
    sd = [np.sqrt(max(v, 0)) for v in (parts.seed, parts.patient, parts.residual)]
    rejected = []
    for _ in range(200):
        x = 0.03 + rng.normal(0, sd[0], (6, 1)) + rng.normal(0, sd[1], 60) + rng.normal(0, sd[2], (6, 60))
        rejected.append(crossed_mean_test(x, np.zeros((6, 60))).test.p <= 0.05)
    assert np.mean(rejected) == pytest.approx(crossed_power(0.03, parts, 6, 60), abs=0.1)


def test_sizes_say_when_more_patients_alone_cannot_help() -> None:
    rng = np.random.default_rng(1)
    d = rng.normal(0, 0.03, (3, 1)) + rng.normal(0, 0.02, 50) + rng.normal(0, 0.01, (3, 50))
    parts = crossed_mean_test(d, np.zeros((3, 50))).components
    sizes = crossed_sizes(0.01, parts)
    assert sizes.patients is None
    assert sizes.seeds is not None and crossed_power(0.01, parts, sizes.seeds, 50) >= 0.8
    assert crossed_power(0.01, parts, sizes.seeds - 1, 50) < 0.8


def test_power_refuses_a_spread_of_zero() -> None:
    with pytest.raises(ValueError, match="positive standard deviation"):
        paired_power(0.1, 0.0, 10)


def test_pigeonhole_equals_a_loop_and_its_expected_variance() -> None:
    rng = np.random.default_rng(2)
    d = rng.normal(0, 1, (8, 1)) + rng.normal(0, 2, 40) + rng.normal(0, 1, (8, 40))
    found = pigeonhole(d, n_resamples=20_000)
    loop = [d[np.ix_(rng.integers(0, 8, 8), rng.integers(0, 40, 40))].mean() for _ in range(4000)]
    assert found.se == pytest.approx(np.std(loop), rel=0.05)
    assert (found.interval.low, found.interval.high) == pytest.approx(tuple(np.quantile(loop, [0.025, 0.975])), abs=0.1)
    assert found.difference == pytest.approx(d.mean())
    with pytest.raises(ValueError, match="2 seeds"):
        pigeonhole(d[:1])


def test_an_infinite_df_is_the_normal_distribution() -> None:
    found = equivalence(0.0, 1.0, float("inf"), margin=2.0)
    assert found.p == pytest.approx(stats.norm.sf(2.0))
