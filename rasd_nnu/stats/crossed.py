"""Two arms, several seeds and several patients, fully crossed: the multi-reader multi-case analysis, seeds as readers.

Each seed gives one training of each arm, and all are scored on the same patients. With two arms, the model of
Obuchowski and Rockette (1995) is one of the seeds' differences A - B: their variance over the seeds is what seeds
contribute, their covariance over patients is what patients contribute. For a score that is a mean over patients this
is the three-way analysis of variance of Dorfman, Berbaum and Metz (1992); Hillis et al. (2005) show that both are one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from rasd_nnu.stats import skewness
from rasd_nnu.stats.calibrated import calibration_note
from rasd_nnu.stats.components import VarianceComponents, estimate_components
from rasd_nnu.stats.covariance import mean_covariance
from rasd_nnu.stats.critical import agreement, weighted_df
from rasd_nnu.stats.result import Interval, Result, check_confidence
from rasd_nnu.stats.units import unit_means

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reference(Result):
    """One way of judging the same difference.

    Args:
        p: Two-sided p-value.
        se: Standard error that the difference is divided by.
        df: Degrees of freedom of Student's t; infinite for the normal distribution.
        interval: Values of the difference that are not rejected.
    """

    p: float
    se: float
    df: float
    interval: Interval


@dataclass(frozen=True)
class CrossedTest(Result):
    """Outcome of a crossed comparison; differences are A - B.

    Args:
        n_seeds: Seeds.
        n_patients: Patients (units).
        difference: Mean difference.
        se: Its standard error over other seeds and other patients.
        skewness: Estimated skewness of the difference, from the patients; 0 where it is not known.
        by_seed: Difference of each seed.
        test: The primary analysis: seeds and patients random, degrees of freedom of `critical.weighted_df`, t corrected
            for skewness.
        hillis: Seeds and patients random, Hillis' degrees of freedom (2007), uncorrected: what MRMC software prints.
        these_seeds: Patients random, these very trainings.
        these_patients: Seeds random, these very patients.
        components: Variance components.
        note: What limits the reliability; empty if nothing is known to.
    """

    n_seeds: int
    n_patients: int
    difference: float
    se: float
    skewness: float
    by_seed: tuple[float, ...]
    test: Reference
    hillis: Reference
    these_seeds: Reference
    these_patients: Reference
    components: VarianceComponents
    note: str


def crossed_mean_test(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    groups: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
) -> CrossedTest:
    """Compare two arms on a score that each case has, such as Dice, over seeds and patients.

    Args:
        a: Scores of arm A, shape (seeds, cases).
        b: Scores of arm B, same seeds and cases.
        groups: Patient of each case; the mean of a patient's cases is the unit. None: every case.
        confidence: Nominal coverage of the intervals.

    Raises:
        ValueError: If the shapes differ, a score is not finite, or there are fewer than 2 seeds or 2 patients.

    Example:
        >>> a = [[0.81, 0.74, 0.90, 0.66], [0.83, 0.75, 0.88, 0.69], [0.80, 0.77, 0.91, 0.70]]
        >>> b = [[0.78, 0.74, 0.86, 0.60], [0.80, 0.73, 0.88, 0.66], [0.79, 0.74, 0.87, 0.66]]
        >>> result = crossed_mean_test(a, b)
        >>> round(result.difference, 4), result.n_seeds, result.n_patients
        (0.0275, 3, 4)
    """
    first, second = (np.atleast_2d(np.asarray(x, dtype=np.float64)) for x in (a, b))
    if first.shape != second.shape:
        raise ValueError(f"both arms need the same seeds and cases, got shapes {first.shape} and {second.shape}")
    units = np.array([unit_means(row, groups) for row in np.concatenate([first, second])])
    n_seeds = first.shape[0]
    of_patients = units[:n_seeds].mean(0) - units[n_seeds:].mean(0)
    if units.shape[1] < 2:
        raise ValueError(f"a crossed comparison needs at least 2 patients, got {units.shape[1]}")
    scores = units.mean(1).reshape(2, n_seeds)
    third = skewness.third_cumulant_of_mean(of_patients)
    return obuchowski_rockette(scores, mean_covariance(units), units.shape[1], third, confidence)


def obuchowski_rockette(
    scores: npt.ArrayLike,
    covariance: npt.ArrayLike,
    n_patients: int,
    third_cumulant: float = 0.0,
    confidence: float = 0.95,
) -> CrossedTest:
    """Compare two arms on any score of a whole test set, such as the AUC, over seeds and patients.

    Args:
        scores: Score of each arm and seed, shape (2, seeds).
        covariance: Covariance of the scores over patients, arm A's seeds first, shape (2 * seeds, 2 * seeds); see
            `covariance.auc_jackknife`, `covariance.auc_delong`.
        n_patients: Independent patients behind it.
        third_cumulant: Third cumulant of the mean difference over patients, if known.
        confidence: Nominal coverage of the intervals.

    Raises:
        ValueError: If the shapes do not fit, or there are fewer than 2 seeds or 2 patients.
    """
    alpha = 1 - check_confidence(confidence)
    theta, sigma = np.asarray(scores, dtype=np.float64), np.asarray(covariance, dtype=np.float64)
    if theta.ndim != 2 or theta.shape[0] != 2 or sigma.shape != (theta.size, theta.size):
        raise ValueError(f"expected scores (2, seeds) and their covariance, got {theta.shape} and {sigma.shape}")
    n_seeds = theta.shape[1]
    if n_seeds < 2 or n_patients < 2:
        raise ValueError(f"a crossed comparison needs 2 seeds and 2 patients, got {n_seeds} and {n_patients}")
    parts = estimate_components(theta, sigma, n_patients)
    by_seed = theta[0] - theta[1]
    return _judge(by_seed, parts, n_patients, third_cumulant, alpha)


def _judge(
    by_seed: FloatArray, parts: VarianceComponents, n_patients: int, third_cumulant: float, alpha: float
) -> CrossedTest:
    """Refer the mean of the seeds' differences to the several distributions."""
    s, n = by_seed.size, n_patients
    seeds, variance = parts.ms_seed, parts.ms_seed + parts.ms_common
    mean, se = float(by_seed.mean()), float(np.sqrt(variance / s))
    return CrossedTest(
        n_seeds=s,
        n_patients=n,
        difference=mean,
        se=se,
        skewness=third_cumulant / se**3 if se > 0 else 0.0,
        by_seed=tuple(by_seed.tolist()),
        test=_primary(mean, parts, third_cumulant, alpha),
        hillis=_student(mean, se, _df(variance**2, seeds**2 / (s - 1)), alpha, "hillis"),
        these_seeds=_student(mean, float(np.sqrt(parts.ms_patient / s)), float(n - 1), alpha, "fixed seeds"),
        these_patients=_student(mean, float(np.sqrt(seeds / s)), float(s - 1), alpha, "fixed patients"),
        components=parts,
        note=calibration_note(s, n),
    )


def _primary(mean: float, parts: VarianceComponents, third_cumulant: float, alpha: float) -> Reference:
    """Judge the mean over other seeds and other patients.

    The variance is that of Obuchowski and Rockette, plus a part of the mean square that seeds would have if they did
    not differ (`critical.agreement`): two or three that agree by chance do not give an interval of no width. The
    degrees of freedom are those of `critical.weighted_df`.
    """
    s, n = parts.n_seeds, parts.n_patients
    variance = parts.ms_seed + agreement(s) * parts.ms_residual / (s - 1) + parts.ms_common
    se = float(np.sqrt(variance / s))
    df = weighted_df(parts.ms_seed / variance if variance > 0 else 0.0, s, n)
    return _student(mean, se, df, alpha, "crossed", third_cumulant / se**3 if se > 0 else 0.0)


def _df(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator > 0 else float("inf")


def _student(mean: float, se: float, df: float, alpha: float, method: str, a: float = 0.0) -> Reference:
    """Refer mean / se, corrected for the skewness ``a``, to Student's t."""
    if se == 0:
        note = "no variance to judge the difference by; it is not certainty"
        return Reference(0.0 if mean else 1.0, se, df, Interval(mean, mean, 1 - alpha, "degenerate", note))
    p = float(2 * stats.t.sf(abs(float(skewness.transform(mean / se, a))), df))
    h = float(stats.t.ppf(1 - alpha / 2, df))
    low, high = (mean - se * skewness.inverse(x, a) for x in (h, -h))
    return Reference(p, se, df, Interval(low, high, 1 - alpha, method))
