"""Two arms compared by AUC or average precision: DeLong's test, and a bootstrap of patients."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from rasd_nnu.stats.auc import BoolArray, check_scores, group_codes, weighted_auc, weighted_average_precision
from rasd_nnu.stats.covariance import auc_delong
from rasd_nnu.stats.result import Interval, Result, check_confidence

FloatArray = npt.NDArray[np.float64]
RELIABLE_CASES = 10  # of each class
_CHUNK_VALUES = 2_000_000  # bootstrap counts held in memory at a time
METRICS = {"auc": weighted_auc, "average_precision": weighted_average_precision}


@dataclass(frozen=True)
class PairedScores(Result):
    """A score of the whole test set in both arms; differences are A - B.

    Args:
        a: Score of arm A.
        b: Score of arm B.
        difference: A - B.
        se: Standard error of the difference.
        p: Two-sided p-value.
        interval: Of the difference.
        n_positive: Positive cases.
        n_negative: Negative cases.
        method: ``delong`` or ``bootstrap``.
        note: What limits the reliability; empty if nothing is known to.
    """

    a: float
    b: float
    difference: float
    se: float
    p: float
    interval: Interval
    n_positive: int
    n_negative: int
    method: str
    note: str


def delong_paired(
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    groups: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> PairedScores:
    """Compare the AUC of two arms on the same cases (DeLong 1988; with several cases a patient, Obuchowski 1997).

    Args:
        labels: 1 for positive, 0 for negative, shape (n,).
        a: Scores of arm A, shape (n,).
        b: Scores of arm B, shape (n,).
        groups: Patient of each case; None: every case is a patient.
        confidence: Nominal coverage of the interval.

    Raises:
        ValueError: If the input is malformed, or a class has fewer than 2 patients.
    """
    alpha = 1 - check_confidence(confidence)
    positive, scores = check_scores(labels, np.stack([np.asarray(a, float), np.asarray(b, float)]))
    areas, covariance = auc_delong(positive, scores, groups)
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    se = float(np.sqrt(max(variance, 0.0)))
    if se < 1e-12:  # the same order of the cases in both arms, or perfect order in both
        p, half = (0.0 if abs(difference) > 1e-12 else 1.0), 0.0
    else:
        p, half = float(2 * stats.norm.sf(abs(difference) / se)), float(stats.norm.ppf(1 - alpha / 2)) * se
    interval = Interval(difference - half, difference + half, confidence, "delong" if se >= 1e-12 else "degenerate")
    return _paired(positive, (float(areas[0]), float(areas[1])), se, p, interval, "delong")


def bootstrap_paired(
    labels: npt.ArrayLike,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    groups: Sequence[Hashable] | None = None,
    metric: Literal["auc", "average_precision"] = "auc",
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> PairedScores:
    """Compare the AUC or the average precision of two arms by resampling patients, both arms together.

    Patients are resampled within strata (with and without a positive case), so that both classes stay present. The
    interval is the percentile interval; the p-value is twice the smaller share of resampled differences beyond 0.

    Args:
        labels: 1 for positive, 0 for negative, shape (n,).
        a: Scores of arm A, shape (n,).
        b: Scores of arm B, shape (n,).
        groups: Patient of each case; None: every case is a patient.
        metric: Which score.
        confidence: Nominal coverage of the interval.
        n_resamples: Number of bootstrap samples.
        seed: Seed of the bootstrap samples.

    Raises:
        ValueError: If the input is malformed or the metric is unknown.
    """
    alpha = 1 - check_confidence(confidence)
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {sorted(METRICS)}, got {metric!r}")
    positive, scores = check_scores(labels, np.stack([np.asarray(a, float), np.asarray(b, float)]))
    code = group_codes(groups, positive.size)
    score = METRICS[metric]
    observed = [float(score(positive, row, np.ones((1, row.size)))[0]) for row in scores]
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK_VALUES // positive.size)
    parts = []
    for start in range(0, n_resamples, rows):
        weights = _stratified_counts(positive, code, min(rows, n_resamples - start), rng)
        weights = weights[_both_classes(positive, weights)]
        parts.append(score(positive, scores[0], weights) - score(positive, scores[1], weights))
    differences = np.concatenate(parts)
    low, high = np.quantile(differences, [alpha / 2, 1 - alpha / 2])
    beyond = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (differences.size + 1))
    interval = Interval(float(low), float(high), confidence, "percentile")
    return _paired(positive, (observed[0], observed[1]), float(differences.std(ddof=1)), p, interval, "bootstrap")


def _stratified_counts(
    positive: BoolArray, code: npt.NDArray[np.intp], size: int, rng: np.random.Generator
) -> FloatArray:
    """Return how often each case is drawn when patients are, within strata, shape (size, n)."""
    n_groups = int(code.max()) + 1
    has_positive = np.bincount(code, positive, n_groups) > 0
    counts = np.empty((size, n_groups))
    for stratum in (has_positive, ~has_positive):
        k = int(stratum.sum())
        if k:
            counts[:, stratum] = rng.multinomial(k, np.full(k, 1 / k), size=size)
    return counts[:, code]


def _both_classes(positive: BoolArray, weights: FloatArray) -> BoolArray:
    """Return which samples hold both classes; with patients of both classes a sample may lack negatives."""
    return np.asarray((weights[:, positive].sum(1) > 0) & (weights[:, ~positive].sum(1) > 0))


def _paired(
    positive: BoolArray, scores: tuple[float, float], se: float, p: float, interval: Interval, method: str
) -> PairedScores:
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    notes = []
    if min(n_positive, n_negative) < RELIABLE_CASES:
        notes.append(f"{n_positive} positive and {n_negative} negative cases: unreliable below {RELIABLE_CASES}")
    if se < 1e-12:
        notes.append(
            "no variance to judge a difference by, as the orders of cases are perfect, constant or the same; it is not "
            "certainty"
        )
    difference = scores[0] - scores[1]
    return PairedScores(*scores, difference, se, p, interval, n_positive, n_negative, method, "; ".join(notes))
