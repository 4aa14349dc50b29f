"""Scores of a whole test set, such as AUC and average precision, which no single case has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rasd_nnu.compare.result import PairedStatistics
from rasd_nnu.compare.statistics import Request, margin_test, sizes
from rasd_nnu.errors import CompareError
from rasd_nnu.stats import (
    CrossedTest,
    Interval,
    PairedScores,
    auc_jackknife,
    bootstrap_paired,
    delong_paired,
    obuchowski_rockette,
)

FloatArray = npt.NDArray[np.float64]
RESAMPLES = 2_000
_CHUNK_VALUES = 2_000_000  # weights held in memory at a time
_FEWEST = 0.9  # share of the resamples that must be usable


def auc_statistics(
    labels: npt.ArrayLike, scores: FloatArray, groups: Sequence[str], request: Request
) -> PairedStatistics:
    """Compare the AUC of two arms: DeLong's test, or with several seeds that of Obuchowski and Rockette.

    Args:
        labels: 1 for positive, 0 for negative, shape (cases,).
        scores: Shape (2, seeds, cases).
        groups: Patient of each case.
        request: How to analyse.

    Raises:
        CompareError: If a class is missing, or all its cases are of one patient.
    """
    n_seeds = scores.shape[1]
    try:
        if n_seeds == 1:
            a, b = scores[:, 0]
            found = delong_paired(labels, a, b, groups)
            opinion = bootstrap_paired(labels, a, b, groups, n_resamples=RESAMPLES, seed=request.seed)
            return _of_scores("AUC", found, len(set(groups)), opinion)
        areas, covariance = auc_jackknife(labels, scores.reshape(2 * n_seeds, -1), groups)
    except ValueError as error:
        raise CompareError(f"the AUC cannot be compared: {error}. Validate on more patients of each class.") from None
    crossed = obuchowski_rockette(areas.reshape(2, n_seeds), covariance, len(set(groups)))
    return _of_crossed("AUC", crossed, areas.reshape(2, n_seeds), len(groups), request)


def whole_statistics(
    name: str,
    score: Callable[[FloatArray], FloatArray],
    n_seeds: int,
    groups: Sequence[str],
    request: Request,
) -> PairedStatistics | None:
    """Compare two arms on any score of a weighted test set, by resampling patients (both arms and all seeds together).

    With one seed the interval is the percentile interval, and p is twice the smaller share of resampled differences
    beyond 0. With several, the covariance of the resampled scores goes into the crossed analysis.

    Args:
        name: Name of the score.
        score: Takes weights of the cases, shape (b, cases), and returns shape (2 * seeds, b), arm A's seeds first; NaN
            where a resample has no such score.
        n_seeds: Seeds of each arm.
        groups: Patient of each case.
        request: How to analyse.

    Returns:
        None where too few resamples have the score.
    """
    observed = score(np.ones((1, len(groups))))[:, 0].reshape(2, n_seeds)
    draws = _resampled(score, groups, request.seed)
    if np.isnan(observed).any() or draws.shape[1] < _FEWEST * RESAMPLES:
        return None
    n_units = len(set(groups))
    if n_seeds > 1:
        crossed = obuchowski_rockette(observed, np.cov(draws), n_units)
        return _of_crossed(name, crossed, observed, len(groups), request)
    differences = draws[0] - draws[1]
    low, high = np.quantile(differences, [0.025, 0.975])
    beyond = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (differences.size + 1))
    a, b = observed[:, 0].tolist()
    interval = Interval(float(low), float(high), 0.95, "percentile")
    return PairedStatistics(
        score=name,
        better="higher",
        method="bootstrap",
        n_cases=len(groups),
        n_units=n_units,
        n_seeds=1,
        mean_a=a,
        mean_b=b,
        sd_a=None,
        sd_b=None,
        difference=a - b,
        interval=interval,
        p=p,
        smallest_p=None,
        note=f"interval unreliable with n = {n_units}" if n_units < 10 else "",
    )


def _resampled(score: Callable[[FloatArray], FloatArray], groups: Sequence[str], seed: int) -> FloatArray:
    """Return the score of resampled patients, shape (2 * seeds, usable resamples)."""
    number = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    code = np.array([number[group] for group in groups])
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK_VALUES // len(groups))
    parts = []
    for start in range(0, RESAMPLES, rows):
        size = min(rows, RESAMPLES - start)
        counts = rng.multinomial(len(number), np.full(len(number), 1 / len(number)), size=size)
        parts.append(score(counts[:, code].astype(float)))
    draws = np.concatenate(parts, axis=1)
    return np.asarray(draws[:, ~np.isnan(draws).any(0)])


def _of_scores(name: str, found: PairedScores, n_units: int, opinion: PairedScores) -> PairedStatistics:
    return PairedStatistics(
        score=name,
        better="higher",
        method=found.method,
        n_cases=found.n_positive + found.n_negative,
        n_units=n_units,
        n_seeds=1,
        mean_a=found.a,
        mean_b=found.b,
        sd_a=None,
        sd_b=None,
        difference=found.difference,
        interval=found.interval,
        p=found.p,
        smallest_p=None,
        whole=opinion,
        note=found.note,
    )


def _of_crossed(
    name: str, crossed: CrossedTest, scores: FloatArray, n_cases: int, request: Request
) -> PairedStatistics:
    result = PairedStatistics(
        score=name,
        better="higher",
        method="crossed",
        n_cases=n_cases,
        n_units=crossed.n_patients,
        n_seeds=crossed.n_seeds,
        mean_a=float(scores[0].mean()),
        mean_b=float(scores[1].mean()),
        sd_a=None,
        sd_b=None,
        difference=crossed.difference,
        interval=crossed.test.interval,
        p=crossed.test.p,
        smallest_p=None,
        crossed=crossed,
        note=crossed.note,
    )
    return replace(
        result,
        sizes=sizes(crossed, None, request.detect),
        equivalence=margin_test(crossed, None, request.margin),
    )
