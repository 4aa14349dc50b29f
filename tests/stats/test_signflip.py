from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rasd_nnu.stats import paired_signflip


def _scipy_p(differences: np.ndarray) -> float:
    result = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    return float(result.pvalue)


@pytest.mark.parametrize(("n", "p"), [(2, 0.5), (4, 0.125), (5, 0.0625), (6, 0.03125), (12, 2**-11)])
def test_all_in_favour_gives_the_smallest_p(n: int, p: float) -> None:
    result = paired_signflip(np.arange(1, n + 1) / 100)
    assert (result.p, result.smallest_p, result.exact) == (p, p, True)


@pytest.mark.parametrize("seed", range(5))
def test_equals_scipys_exhaustive_test(seed: int) -> None:
    differences = np.round(np.random.default_rng(seed).normal(0.3, 1, 9), 1)
    assert paired_signflip(differences).p == pytest.approx(_scipy_p(differences), abs=1e-12)


def test_monte_carlo_agrees_with_enumeration_of_the_same_values() -> None:
    differences = np.random.default_rng(3).normal(0.4, 1, 16)
    drawn = paired_signflip(differences)
    exact = _scipy_p(differences)
    assert not drawn.exact
    assert drawn.p == pytest.approx(exact, abs=4 * np.sqrt(exact / 100_000))


def test_monte_carlo_counts_the_observed_pattern() -> None:
    result = paired_signflip(np.ones(40), n_resamples=999)
    assert result.p == result.smallest_p == 1 / 1000
    assert paired_signflip(np.ones(40), n_resamples=999, seed=1) == result


def test_equal_magnitudes_are_not_split_by_rounding_noise() -> None:
    # 0.1 + 0.2 - 0.3 is 5.6e-17, not 0; three patterns of each sign tie with the observed one.
    assert paired_signflip([0.1, 0.2, -0.3, 0.1 + 0.2 - 0.3]).p == 1.0


def test_zeros_raise_the_smallest_p() -> None:
    result = paired_signflip([0.1, 0.2, 0.3, 0.0, 0.0, 0.0])
    assert result.smallest_p == result.p == 0.25


def test_all_zero_gives_one() -> None:
    result = paired_signflip([0.0] * 30)
    assert (result.p, result.smallest_p) == (1.0, 1.0)


def test_groups_flip_together() -> None:
    differences = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    result = paired_signflip(differences, groups=["p1", "p1", "p2", "p2", "p3", "p3"])
    assert result == paired_signflip([0.15, 0.35, 0.55])
    assert result.p == 0.25


@pytest.mark.parametrize("values", [[np.nan, 0.1], [np.inf, 0.1], [], [[0.1, 0.2]]])
def test_refuses_what_is_not_a_finite_vector(values: list[float]) -> None:
    with pytest.raises(ValueError, match="values must be"):
        paired_signflip(values)


def test_refuses_groups_of_another_length() -> None:
    with pytest.raises(ValueError, match="one group a value, got 1 for 2"):
        paired_signflip([0.1, 0.2], groups=["p1"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=1, max_size=10))
def test_p_is_a_probability_and_does_not_depend_on_which_arm_is_first(differences: list[float]) -> None:
    forth, back = paired_signflip(differences), paired_signflip([-d for d in differences])
    assert forth.smallest_p <= forth.p <= 1
    assert forth.p == back.p
