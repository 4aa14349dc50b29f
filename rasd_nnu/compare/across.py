"""Results over several data sets: each arm against the control, and the ranks of three or more arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rasd_nnu.compare.design import Entry
from rasd_nnu.compare.verdict import ALPHA, format_p
from rasd_nnu.stats import AcrossDatasets, FriedmanNemenyi, across_datasets, friedman_nemenyi


@dataclass(frozen=True)
class Across:
    """One arm against the control over data sets; several comparisons on one data set are averaged first.

    Args:
        names: The arm and the control.
        score: Name of the score.
        datasets: The data sets.
        result: Their statistics.
        sentence: The result in one sentence.
    """

    names: tuple[str, str]
    score: str
    datasets: tuple[str, ...]
    result: AcrossDatasets
    sentence: str


@dataclass(frozen=True)
class Ranking:
    """Three or more arms, ranked on each data set.

    Args:
        arms: The arms.
        score: Name of the score.
        result: Friedman's test with Nemenyi's comparisons.
    """

    arms: tuple[str, ...]
    score: str
    result: FriedmanNemenyi


def across(entries: Sequence[Entry], control: str, rope: float) -> list[Across]:
    """Return the result over data sets of each arm and score with two data sets or more."""
    kinds = dict.fromkeys((entry.comparison.names[0], entry.comparison.score) for entry in entries)
    found = []
    for arm, score in kinds:
        of_set: dict[str, list[float]] = {}
        for entry in entries:
            if (entry.comparison.names[0], entry.comparison.score) == (arm, score):
                of_set.setdefault(entry.design.dataset, []).append(entry.comparison.overall.difference)
        if len(of_set) > 1:
            result = across_datasets([float(np.mean(values)) for values in of_set.values()], rope=rope)
            found.append(Across((arm, control), score, tuple(of_set), result, _sentence(arm, control, score, result)))
    return found


def _sentence(arm: str, control: str, score: str, result: AcrossDatasets) -> str:
    test = result.test
    numbers = (
        f"mean difference in {score} {test.mean:+.4f}, 95 % CI {test.interval.low:+.4f} to {test.interval.high:+.4f}, "
        f"p {format_p(test.p)}; {result.wins} won, {result.ties} within {result.bayes.rope:g}, {result.losses} lost"
    )
    start = f"Over {result.n_datasets} data sets"
    if test.p < ALPHA:
        return f"{start}, {arm} is {'better' if test.mean > 0 else 'worse'} than {control} ({numbers})."
    if test.smallest_p >= ALPHA:
        return f"{start}, whether {arm} or {control} is better cannot be shown: too few data sets ({numbers})."
    return f"{start}, no difference is shown between {arm} and {control} ({numbers}); they need not be equal."


def rankings(entries: Sequence[Entry], control: str) -> list[Ranking]:
    """Rank the arms on each data set that has all of them, where there are three arms and two data sets."""
    found = []
    for score in dict.fromkeys(entry.comparison.score for entry in entries):
        own = [entry for entry in entries if entry.comparison.score == score]
        arms = (control, *dict.fromkeys(entry.comparison.names[0] for entry in own))
        means: dict[str, dict[str, list[float]]] = {}
        for entry in own:
            of_set = means.setdefault(entry.design.dataset, {})
            of_set.setdefault(entry.comparison.names[0], []).append(entry.comparison.overall.mean_a)
            of_set.setdefault(control, []).append(entry.comparison.overall.mean_b)
        table = [[float(np.mean(of_set[a])) for a in arms] for of_set in means.values() if set(of_set) == set(arms)]
        if len(arms) > 2 and len(table) > 1 and np.ptp(np.array(table), axis=1).max() > 0:
            found.append(Ranking(arms, score, friedman_nemenyi(table)))
    return found
