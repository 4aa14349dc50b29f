from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rasd_nnu.stats import mean_test, paired_signflip, skewness
from rasd_nnu.stats.flips import EXACT_UNITS, SignFlips


def _corrected_t(values: np.ndarray) -> float:
    """Hall's statistic, written down once more from the paper, with scipy's bias-corrected skewness."""
    if np.ptp(values) == 0:
        return float(np.sign(values[0])) * np.inf
    t = stats.ttest_1samp(values, 0).statistic
    a = stats.skew(values, bias=False) / np.sqrt(values.size)
    return float(t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6)


def _slow_p(values: np.ndarray) -> float:
    observed = abs(_corrected_t(values))
    flipped = [_corrected_t(values * np.array(signs)) for signs in itertools.product((1, -1), repeat=values.size)]
    return float(np.mean([abs(t) >= observed * (1 - 1e-9) for t in flipped]))


@pytest.mark.parametrize("seed", range(4))
def test_equals_a_slow_enumeration(seed: int) -> None:
    values = np.round(np.random.default_rng(seed).exponential(1, 9) - 0.5, 2)
    result = mean_test(values)
    assert result.p_signflip == pytest.approx(_slow_p(values), abs=1e-12)
    assert result.statistic == pytest.approx(_corrected_t(values), rel=1e-9)
    assert result.p_student == pytest.approx(2 * stats.t.sf(abs(_corrected_t(values)), 8), rel=1e-9)
    assert result.p == max(result.p_signflip, result.p_student)


def test_studentising_alone_gives_the_plain_sign_flip_test() -> None:
    values = np.random.default_rng(0).normal(0.4, 1, 11)
    signs = np.array(list(itertools.product((1, -1), repeat=11)))
    t = stats.ttest_1samp(signs * values, 0, axis=1).statistic
    observed = abs(stats.ttest_1samp(values, 0).statistic)
    assert np.mean(np.abs(t) >= observed - 1e-9) == pytest.approx(paired_signflip(values).p, abs=1e-12)


@given(
    st.lists(st.integers(-30, 60), min_size=6, max_size=40),
    st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_the_interval_holds_zero_exactly_if_the_test_does_not_reject(hundredths: list[int], seed: int) -> None:
    result = mean_test(np.array(hundredths) / 100, n_resamples=999, seed=seed)
    if result.interval.method == "degenerate":
        return
    inside = result.interval.low <= 0 <= result.interval.high
    if result.p > 0.05 or min(abs(result.interval.low), abs(result.interval.high)) > 1e-5 * result.se:
        assert inside == (result.p > 0.05)


def test_zero_is_in_the_interval_if_ties_alone_keep_the_test_from_rejecting() -> None:
    result = mean_test([-0.01, 0, 0, 0, -0.03, -0.02, 0, -0.02, 0, -0.01, -0.01, 0.01])
    assert result.p_student < 0.05 < result.p_signflip
    assert result.interval.high == 0


def test_the_ends_of_the_interval_are_where_the_p_value_crosses_the_level() -> None:
    values = np.random.default_rng(5).exponential(1, 14)
    result = mean_test(values)
    width = result.interval.high - result.interval.low
    for end, outwards in ((result.interval.low, -1), (result.interval.high, 1)):
        assert mean_test(values - (end - 1e-4 * outwards * width)).p > 0.05
        assert mean_test(values - (end + 1e-4 * outwards * width)).p <= 0.05


def test_mirrors_when_the_arms_are_swapped() -> None:
    values = np.random.default_rng(2).exponential(1, 25) - 0.7
    a, b = mean_test(values), mean_test(-values)
    assert (a.p, a.mean, a.skewness) == pytest.approx((b.p, -b.mean, -b.skewness))
    assert (a.interval.low, a.interval.high) == pytest.approx((-b.interval.high, -b.interval.low), rel=1e-5)


def test_drawn_patterns_agree_with_all_of_them() -> None:
    values = np.random.default_rng(3).normal(0.5, 1, EXACT_UNITS)
    exact = mean_test(values)
    drawn = SignFlips(np.append(values, values.mean()), 100_000, 0)
    assert exact.exact and not drawn.exact
    more = SignFlips(np.append(values, values.mean()), 100_000, 1)
    assert drawn.p() == pytest.approx(more.p(), abs=5 * np.sqrt(exact.p_signflip / 100_000))


def test_the_patient_is_the_unit() -> None:
    rng = np.random.default_rng(4)
    patients = rng.normal(0, 1, 12)
    cases, groups = np.repeat(patients, 4), np.repeat(np.arange(12), 4).tolist()
    assert mean_test(cases, groups) == mean_test(patients)


def test_few_units() -> None:
    result = mean_test([0.1, 0.2, 0.15, 0.12])
    assert result.p == result.smallest_p == 0.125
    assert result.interval.method == "student" and "cannot reach" in result.interval.note
    assert "n = 4" in result.note
    assert mean_test([0.1, 0.2]).p == 0.5


def test_equal_differences() -> None:
    result = mean_test([0.25] * 8)
    assert (result.p, result.interval.low, result.interval.high) == (2**-7, 0.25, 0.25)
    assert "not certainty" in result.note and result.to_dict()["statistic"] is None
    assert mean_test([0.0] * 8).p == 1.0


def test_outliers_are_named() -> None:
    values = np.append(np.random.default_rng(0).normal(0, 1, 30), 40.0)
    assert "1 of 31 differences" in mean_test(values).note


@pytest.mark.parametrize(
    ("values", "message"), [([0.1], "at least 2 units"), ([0.1, np.nan], "finite"), ([], "non-empty")]
)
def test_refuses(values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mean_test(values)


def test_keeps_its_level_where_the_sign_flip_test_does_not() -> None:
    rng = np.random.default_rng(0)
    samples = rng.exponential(1, (500, 12)) - 1
    tests = [mean_test(x) for x in samples]
    level = np.mean([t.p <= 0.05 for t in tests])
    covered = np.mean([t.interval.low <= 0 <= t.interval.high for t in tests])
    plain = np.mean([paired_signflip(x).p <= 0.05 for x in samples])
    assert plain > 0.07
    assert level == pytest.approx(0.05, abs=0.03)
    assert covered == pytest.approx(1 - level, abs=1e-3)


@given(st.floats(-8, 8), st.floats(-1.5, 1.5))
def test_the_transformation_is_undone_by_its_inverse(t: float, a: float) -> None:
    assert skewness.inverse(float(skewness.transform(t, a)), a) == pytest.approx(t, abs=1e-6)
