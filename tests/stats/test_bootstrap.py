from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rasd_nnu.stats import mean_interval


def test_equals_scipys_bca() -> None:
    differences = np.round(np.random.default_rng(0).gamma(1.0, 1.0, 25), 6)
    expected = stats.bootstrap(
        (differences,), np.mean, n_resamples=10_000, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    interval = mean_interval(differences)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert interval.method == "bca"
    assert interval.note == ""


def test_is_close_to_the_t_interval_of_many_normal_differences() -> None:
    differences = np.random.default_rng(1).normal(0.5, 1, 400)
    t = stats.t.interval(0.95, 399, differences.mean(), stats.sem(differences))
    interval = mean_interval(differences)
    assert (interval.low, interval.high) == pytest.approx(t, abs=0.02)


def test_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [mean_interval(rng.normal(1, 1, 30), n_resamples=500) for _ in range(200)]
    covered = np.mean([i.low <= 1 <= i.high for i in intervals])
    assert 0.88 <= covered <= 0.99


def test_resampling_groups_widens_the_interval_of_repeated_cases() -> None:
    patients = np.random.default_rng(2).normal(0, 1, 12)
    repeated, groups = np.repeat(patients, 10), np.repeat(np.arange(12), 10).tolist()
    clustered, naive = mean_interval(repeated, groups=groups), mean_interval(repeated)
    assert clustered == mean_interval(patients)
    assert clustered.high - clustered.low > 2 * (naive.high - naive.low)


def test_equal_differences_are_stated_as_degenerate() -> None:
    interval = mean_interval([0.1 + 0.2, 0.3, 0.3])
    assert (interval.low, interval.high, interval.method) == (0.3, 0.3, "degenerate")
    assert "all 3 differences are equal" in interval.note


@pytest.mark.parametrize("differences", [[0.0, 1.0], [0.0, 0.0, 0.0, 0.0, 1.0], [-1e-9, 0.0, 1.0]])
def test_few_or_skewed_units_give_finite_bounds_that_are_called_unreliable(differences: list[float]) -> None:
    interval = mean_interval(differences)
    assert np.isfinite([interval.low, interval.high]).all()
    assert interval.low <= np.mean(differences) <= interval.high
    assert interval.note == f"interval unreliable with n = {len(differences)}"


def test_one_group_is_too_few() -> None:
    with pytest.raises(ValueError, match="at least 2 units, got 1"):
        mean_interval([0.1, 0.2], groups=["p1", "p1"])
