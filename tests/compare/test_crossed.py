from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rasd_nnu.compare import Comparison, compare_summaries
from rasd_nnu.compare.render import print_comparison
from rasd_nnu.compare.statistics import Request
from rasd_nnu.compare.verdict import about_seeds
from rasd_nnu.stats import crossed_mean_test

Write = Callable[..., Path]
SEEDS, CASES = (0, 1, 2), 12


def _scores(arm: str, shift: float) -> np.ndarray:
    rng = np.random.default_rng(len(arm))
    return np.round(0.6 + shift + rng.normal(0, 0.03, (len(SEEDS), CASES)), 3)


def _arm(write: Write, arm: str, values: np.ndarray) -> dict[int, list[Path]]:
    return {
        seed: [write(f"{arm}{seed}.json", {f"c{i:02d}": float(v) for i, v in enumerate(values[k])})]
        for k, seed in enumerate(SEEDS)
    }


@pytest.fixture
def comparison(write_summary: Write) -> Comparison:
    a, b = _scores("a", 0.1), _scores("bb", 0.0)
    arms = _arm(write_summary, "a", a), _arm(write_summary, "b", b)
    return compare_summaries(*arms, names=("rasd", "scratch"), request=Request(margin=0.05))


def test_seeds_and_cases_are_crossed(comparison: Comparison) -> None:
    result = comparison.overall
    reference = crossed_mean_test(_scores("a", 0.1), _scores("bb", 0.0))
    assert (result.method, result.n_units, result.n_seeds) == ("crossed", CASES, 3)
    assert result.crossed is not None
    assert result.p == pytest.approx(reference.test.p, abs=1e-9)
    assert result.interval.low == pytest.approx(reference.test.interval.low, abs=1e-9)
    assert result.difference == pytest.approx(reference.difference, abs=1e-9)
    assert result.pigeonhole is not None
    assert result.sizes is not None
    assert result.equivalence is not None and result.equivalence.not_worse


def test_the_terminal_shows_the_variance_and_what_would_help(comparison: Comparison) -> None:
    stream = io.StringIO()
    print_comparison(comparison, Console(file=stream, width=100))
    text = stream.getvalue()
    for expected in (
        "12, 3 seeds",
        "p, 3 seeds x 12 units crossed",
        "p, Hillis' degrees of freedom",
        "Variance of the difference A - B",
        "seed x patient, noise",
        "more seeds or more patients would help alike",  # neither varies beyond the noise
        "other cases and other training seeds",
        "Within a margin of 0.05, rasd is not worse than scratch",
    ):
        assert expected in text, expected


def test_a_collapsed_training_is_named_and_no_difference_in_quality(write_summary: Write) -> None:
    a, b = _scores("a", 0.0), _scores("bb", 0.0)
    b[2] = 0.01  # seed 2 of scratch never found the label
    arms = _arm(write_summary, "a", a), _arm(write_summary, "b", b)
    found = compare_summaries(*arms, names=("rasd", "scratch"))
    (collapsed,) = found.collapsed
    assert (collapsed.arm, collapsed.seed, collapsed.what) == ("scratch", 2, "label 1 never found")
    assert collapsed.complete and found.failed == []  # the other seeds of scratch did learn
    assert found.without_collapsed == pytest.approx((a[:2] - b[:2]).mean(), abs=1e-9)
    stream = io.StringIO()
    print_comparison(found, Console(file=stream, width=300))
    text = stream.getvalue()
    assert "1 of 6 trainings collapsed (scratch seed 2: label 1 never found)" in text
    assert "not a difference in quality" in text


@pytest.mark.parametrize(
    ("shifts", "shown"),
    [((0.070, 0.070), True), ((0.005, 0.075), False), ((0.090, -0.020), False)],
    ids=["agree", "two do not tell", "disagree"],
)
def test_two_seeds_have_to_agree_with_each_other(
    write_summary: Write, shifts: tuple[float, float], shown: bool
) -> None:
    patients = np.linspace(-0.05, 0.05, CASES)
    rest = 0.003 * np.stack([np.cos(np.arange(CASES)), np.sin(np.arange(CASES))])
    scores = {"a": 0.6 + np.array(shifts)[:, None] + patients + rest, "b": np.full((2, CASES), 0.6)}
    arms = [
        {s: [write_summary(f"{arm}{s}.json", {f"c{i}": float(v) for i, v in enumerate(values[s])})] for s in (0, 1)}
        for arm, values in scores.items()
    ]
    found = compare_summaries(*arms)
    assert (found.overall.p < 0.05) == shown == ("No difference shown" not in found.verdict)
    assert f"more {'patients' if shown else 'seeds'} would help most" in about_seeds(found)
    assert "2 seeds" in found.overall.note


def test_seeds_that_agree_by_chance_are_named(write_summary: Write) -> None:
    """The seeds have one mean difference, while cases go up and down at random: these trainings alone show nothing."""
    rest = 0.06 * np.stack([np.cos((1 + seed) * 2.5 * np.arange(CASES)) for seed in range(3)])
    rest -= rest.mean(1, keepdims=True)
    arms = [
        {s: [write_summary(f"{arm}{s}.json", {f"c{i}": float(v) for i, v in enumerate(values[s])})] for s in range(3)}
        for arm, values in {"a": 0.616 + rest, "b": np.full((3, CASES), 0.6)}.items()
    ]
    found = compare_summaries(*arms)
    assert found.overall.crossed is not None
    assert found.overall.p < 0.05 <= found.overall.crossed.these_seeds.p
    assert "these trainings alone do not show it" in found.verdict
