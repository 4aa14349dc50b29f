"""From the scores of two arms to their statistics, whatever was scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rasd_nnu.compare.result import Better, PairedStatistics
from rasd_nnu.stats import (
    CrossedTest,
    EquivalenceResult,
    MeanTest,
    SignFlipResult,
    Sizes,
    crossed_mean_test,
    crossed_sizes,
    effect_sizes,
    equivalence,
    holm,
    mean_test,
    paired_sizes,
    paired_wilcoxon,
    pigeonhole,
    unit_means,
)

FloatArray = npt.NDArray[np.float64]
_BOOTSTRAP_VALUES = 4_000_000  # resampled values of the two-way bootstrap: fewer resamples of many patients


@dataclass(frozen=True)
class Request:
    """How to analyse.

    Args:
        seed: Seed of bootstrap and permutations.
        n_resamples: Sign patterns drawn where they are too many to enumerate.
        margin: Largest difference that does not matter, for non-inferiority and equivalence; None: not asked.
        detect: The difference whose sample size is asked for; None: the observed one.
    """

    seed: int = 0
    n_resamples: int = 100_000
    margin: float | None = None
    detect: float | None = None


@dataclass(frozen=True)
class ScoreTable:
    """One score of two arms on the same cases.

    Args:
        name: Name of the score.
        a: Arm A, shape (seeds of A, cases); NaN where a case does not count, then in all seeds and both arms.
        b: Arm B, shape (seeds of B, cases).
        groups: Patient of each case; None: every case.
        crossed: True if both arms have the same two or more seeds.
        better: Whether a higher or a lower score is better.
    """

    name: str
    a: FloatArray
    b: FloatArray
    groups: Sequence[str] | None
    crossed: bool = False
    better: Better = "higher"


def paired_statistics(table: ScoreTable, request: Request, brief: bool = False) -> PairedStatistics | None:
    """Return the statistics of a score.

    Args:
        table: The scores.
        request: How to analyse.
        brief: Leave out effect sizes, companions and sample sizes, as for each of many labels.

    Returns:
        None with fewer than 2 units that count.
    """
    keep = ~np.isnan(table.a[0])
    a, b = table.a[:, keep], table.b[:, keep]
    groups = None if table.groups is None else [g for g, kept in zip(table.groups, keep, strict=True) if kept]
    if len(set(groups) if groups is not None else range(int(keep.sum()))) < 2:
        return None
    units_a, units_b = unit_means(a.mean(0), groups), unit_means(b.mean(0), groups)
    difference = unit_means(a.mean(0) - b.mean(0), groups)
    sign = 1 if table.better == "higher" else -1
    draws = min(request.n_resamples, 10_000) if brief else request.n_resamples
    test = mean_test(difference, n_resamples=draws, seed=request.seed)
    crossed = crossed_mean_test(a, b, groups) if table.crossed else None
    primary = crossed.test if crossed else test
    result = PairedStatistics(
        score=table.name,
        better=table.better,
        method="crossed" if crossed else "mean",
        n_cases=int(keep.sum()),
        n_units=difference.size,
        n_seeds=a.shape[0] if crossed else 1,
        mean_a=float(units_a.mean()),
        mean_b=float(units_b.mean()),
        sd_a=float(units_a.std(ddof=1)),
        sd_b=float(units_b.std(ddof=1)),
        difference=float(difference.mean()),
        interval=primary.interval,
        p=primary.p,
        smallest_p=None if crossed else test.smallest_p,
        wins=int((sign * difference > 0).sum()),
        ties=int((difference == 0).sum()),
        losses=int((sign * difference < 0).sum()),
        test=test,
        signflip=SignFlipResult(test.p_signflip, test.smallest_p, test.exact),
        crossed=crossed,
        note=crossed.note if crossed else test.note,
    )
    if brief:
        return result
    return replace(result, **_companions(difference, a - b, groups, result, request))


def _companions(
    units: FloatArray,
    by_seed: FloatArray,
    groups: Sequence[str] | None,
    result: PairedStatistics,
    request: Request,
) -> dict[str, Any]:
    """Return the fields that stand beside the primary analysis."""
    resamples = int(np.clip(_BOOTSTRAP_VALUES // units.size, 1_000, 10_000))
    crossed, test = result.crossed, result.test
    assert test is not None
    return {
        "wilcoxon": paired_wilcoxon(units),
        "effects": effect_sizes(units),
        "pigeonhole": pigeonhole(by_seed, groups, n_resamples=resamples, seed=request.seed) if crossed else None,
        "sizes": sizes(crossed, test, request.detect),
        "equivalence": margin_test(crossed, test, request.margin),
    }


def sizes(crossed: CrossedTest | None, test: MeanTest | None, detect: float | None) -> Sizes | None:
    """Return the sample sizes of a difference (None: the observed one); None where nothing varies."""
    if crossed is not None:
        parts = crossed.components
        wanted = crossed.difference if detect is None else detect
        return crossed_sizes(wanted, parts) if parts.variance_of_mean(2, 2) > 0 else None
    if test is None or test.sd == 0:
        return None
    return paired_sizes(test.mean if detect is None else detect, test.sd, test.n_units)


def margin_test(crossed: CrossedTest | None, test: MeanTest | None, margin: float | None) -> EquivalenceResult | None:
    """Return the test of a margin; None where none is asked for, or nothing varies."""
    if margin is None:
        return None
    if crossed is not None:
        way = crossed.test
        return equivalence(crossed.difference, way.se, way.df, margin) if way.se > 0 else None
    if test is None or test.se == 0:
        return None
    return equivalence(test.mean, test.se, test.n_units - 1, margin)


def each_label(tables: Mapping[str, ScoreTable], request: Request, brief: bool = True) -> dict[str, PairedStatistics]:
    """Return the statistics of each label with at least 2 units, with p-values corrected over the labels."""
    results = {label: paired_statistics(table, request, brief) for label, table in tables.items()}
    found = {label: result for label, result in results.items() if result}
    adjusted = holm([result.p for result in found.values()])
    return {label: replace(result, p_holm=float(p)) for (label, result), p in zip(found.items(), adjusted, strict=True)}
