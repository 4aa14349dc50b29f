from __future__ import annotations

import numpy as np
import pytest

from rasd_nnu.compare.result import PairedStatistics
from rasd_nnu.compare.statistics import Request, ScoreTable, paired_statistics
from rasd_nnu.compare.verdict import format_p, verdict


def _statistics(differences: list[float]) -> PairedStatistics:
    d = np.array(differences)
    found = paired_statistics(ScoreTable("Dice", 0.5 + d[None], np.full((1, d.size), 0.5), None), Request())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("differences", "start"),
    [
        ([0.01, 0.02, 0.03, 0.04, 0.05, 0.06], "rasd is better than scratch"),
        ([-0.01, -0.02, -0.03, -0.04, -0.05, -0.06], "rasd is worse than scratch"),
        ([0.01, -0.02, 0.03, -0.04, 0.05, -0.06], "No difference shown between rasd and scratch"),
        ([0.01, 0.02, 0.03, 0.04, 0.05], "Whether rasd or scratch is better cannot be shown"),
    ],
)
def test_says_what_the_permutation_test_shows(differences: list[float], start: str) -> None:
    assert verdict(("rasd", "scratch"), _statistics(differences), []).startswith(start)


def test_small_n_is_not_called_insignificant() -> None:
    text = verdict(("a", "b"), _statistics([0.1, 0.2, 0.3, 0.4]), [])
    assert "the test cannot reach p < 0.05 with n = 4 (smallest possible p = 0.125" in text


def test_ties_that_take_the_test_its_reach_are_named() -> None:
    text = verdict(("a", "b"), _statistics([0.1, 0.2, 0.3, 0.4, 0.0, 0.0]), [])
    assert "with n = 6, 2 of them without a difference, (smallest possible p = 0.125" in text


def test_no_difference_shown_is_not_equality() -> None:
    text = verdict(("a", "b"), _statistics([0.01, -0.02, 0.03, -0.04, 0.05, -0.06]), [])
    assert text.endswith("this does not show that they are equal.")


def test_another_recipe_takes_the_effect_from_the_weights() -> None:
    text = verdict(("a", "b"), _statistics([0.1, 0.2]), ["debug.json: num_epochs: 2 | 3"])
    assert text.endswith("differ in more than the initial weights, so nothing here is due to them alone.")


@pytest.mark.parametrize("p", [1.0, 0.05, 0.00049, 1e-5, 1e-9, 0.0])
def test_p_is_never_shown_as_zero(p: float) -> None:
    digits = format_p(p).split()[-1]
    assert float(digits) > 0
