"""The primary test of one paired comparison: is the mean difference zero, with an interval that agrees.

The statistic is Student's t of the units (patients), corrected for skewness (Hall 1992). It is referred to two
distributions, and the larger p-value counts:

* its own sign-flip distribution, which is exact, whatever n and whatever ties, if the differences are symmetric;
* Student's t, which is right to the second order if they are skewed.

Flipping signs leaves the sum of squares alone, so that studentising by itself gives the very p-values of the sign-flip
test of the mean (`paired_signflip`); it is the correction and the second reference that keep the level where
differences are skewed. The interval holds the values that the test does not reject. How well this works is in
docs/evidence/calibration.md.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from rasd_nnu.stats import skewness
from rasd_nnu.stats.calibrated import REJECTED_SKEWED_6
from rasd_nnu.stats.flips import SignFlips
from rasd_nnu.stats.result import Interval, Result, check_confidence
from rasd_nnu.stats.signflip import smallest_two_sided_p
from rasd_nnu.stats.units import unit_means

FloatArray = npt.NDArray[np.float64]
RELIABLE_UNITS = 10
_TOLERANCE = 1e-6  # of the interval's ends, in standard errors


@dataclass(frozen=True)
class MeanTest(Result):
    """Outcome of the primary paired test.

    Args:
        n_units: Independent units: groups, or cases where there are no groups.
        mean: Mean difference over the units.
        sd: Standard deviation of the units' differences (n - 1).
        se: Standard error of the mean.
        skewness: Bias-corrected skewness of the units' differences; 0 for n < 3.
        statistic: t, corrected for skewness; infinite where all differences are equal and not 0.
        p: Two-sided p-value: the larger of the next two.
        p_signflip: From the sign-flip distribution: exact if the differences are symmetric.
        p_student: From Student's t: approximate, also if they are skewed.
        smallest_p: The smallest p that flipping so many non-zero differences can give.
        exact: True if all sign patterns were enumerated.
        interval: The values of the mean that the test does not reject.
        note: What limits the reliability, in one sentence; empty if nothing is known to.
    """

    n_units: int
    mean: float
    sd: float
    se: float
    skewness: float
    statistic: float
    p: float
    p_signflip: float
    p_student: float
    smallest_p: float
    exact: bool
    interval: Interval
    note: str


def mean_test(
    differences: npt.ArrayLike,
    groups: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    n_resamples: int = 100_000,
    seed: int = 0,
) -> MeanTest:
    """Test whether the mean paired difference is zero.

    Args:
        differences: Difference of each case, shape (n,).
        groups: Group (patient) of each case; the mean difference of the group is the unit. None: every case.
        confidence: Nominal coverage of the interval.
        n_resamples: Number of sign patterns drawn with more than `flips.EXACT_UNITS` units.
        seed: Seed of the drawn patterns.

    Raises:
        ValueError: If there are fewer than 2 units, a difference is not finite or the lengths differ.

    Example:
        >>> result = mean_test([0.010, 0.032, 0.005, -0.004, 0.021, 0.018, 0.027, 0.011])
        >>> round(result.mean, 3), result.p < 0.05, result.interval.low > 0
        (0.015, True, True)
    """
    alpha = 1 - check_confidence(confidence)
    units = unit_means(differences, groups)
    if units.size < 2:
        raise ValueError(f"a paired test needs at least 2 units, got {units.size}")
    if np.ptp(units) == 0:
        return _all_equal(units, confidence)
    flips = SignFlips(units, n_resamples, seed)
    mean, se, a = float(units.mean()), skewness.standard_error(units), skewness.mean_skewness(units)
    statistic = float(skewness.transform(mean / se, a))
    p_signflip, p_student = flips.p(), float(2 * stats.t.sf(abs(statistic), units.size - 1))
    smallest = smallest_two_sided_p(int(np.count_nonzero(units)))
    return MeanTest(
        n_units=units.size,
        mean=mean,
        sd=float(units.std(ddof=1)),
        se=se,
        skewness=float(a * np.sqrt(units.size)),
        statistic=statistic,
        p=max(p_signflip, p_student),
        p_signflip=p_signflip,
        p_student=p_student,
        smallest_p=smallest if flips.exact else max(smallest, 1 / (n_resamples + 1)),
        exact=flips.exact,
        interval=_interval(units, flips, max(p_signflip, p_student), alpha),
        note=reliability(units),
    )


def reliability(units: FloatArray) -> str:
    """Return what makes a test of these units unreliable, in one sentence; empty if nothing is known to."""
    notes = []
    if units.size < RELIABLE_UNITS:
        notes.append(
            f"n = {units.size}: with skewed differences the level of 5 % does not hold below n = 10: with 6 units, the "
            f"test rejected up to {REJECTED_SKEWED_6:.0f} % of simulated comparisons of equal arms"
        )
    spread = stats.iqr(units)
    far = np.abs(units - np.median(units)) > 5 * spread
    if spread > 0 and far.any():
        notes.append(f"{int(far.sum())} of {units.size} differences lie more than 5 quartile ranges from the median")
    return "; ".join(notes)


def _interval(units: FloatArray, flips: SignFlips, p: float, alpha: float) -> Interval:
    """Return the values that the test does not reject at ``alpha``; its p-value for 0 is ``p``."""
    mean, se, a = float(units.mean()), skewness.standard_error(units), skewness.mean_skewness(units)
    quantile = float(stats.t.ppf(1 - alpha / 2, units.size - 1))
    low, high = (mean - se * skewness.inverse(h, a) for h in (quantile, -quantile))
    if 2.0 ** (1 - units.size) > alpha:
        note = (
            f"n = {units.size}: flipping signs cannot reach p < {alpha:.2g}, so the interval rests on Student's t "
            "alone, which assumes nearly normal differences"
        )
        return Interval(low, high, 1 - alpha, "student", note)
    note = f"interval unreliable with n = {units.size}" if units.size < RELIABLE_UNITS else ""
    low, high = (_edge(flips.p, end, end - mean, alpha, _TOLERANCE * se) for end in (low, high))
    if p > alpha:  # with ties the p-value at 0 may be a peak between smaller ones
        low, high = min(low, 0.0), max(high, 0.0)
    return Interval(low, high, 1 - alpha, "inversion", note)


def _edge(p_of: Callable[[float], float], end: float, step: float, alpha: float, tolerance: float) -> float:
    """Return ``end`` if it is rejected at ``alpha``, else the last value beyond it that is not.

    Args:
        p_of: p-value of a hypothetical mean.
        end: End of the interval by the other reference.
        step: First step outwards; its sign is the direction.
        alpha: Level.
        tolerance: How exact the result has to be.
    """
    if p_of(end) <= alpha:
        return end
    inside, outside = end, end + step
    while p_of(outside) > alpha:
        inside, outside = outside, outside + 2 * (outside - inside)
    while abs(outside - inside) > tolerance:
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if p_of(middle) > alpha else (inside, middle)
    return inside


def _all_equal(units: FloatArray, confidence: float) -> MeanTest:
    """Return the result where all units have the same difference."""
    value, n = float(units[0]), units.size
    p = smallest_two_sided_p(n) if value else 1.0
    note = f"all {n} differences are equal, so the interval has no width; it is not certainty"
    return MeanTest(
        n_units=n,
        mean=value,
        sd=0.0,
        se=0.0,
        skewness=0.0,
        statistic=float(np.copysign(np.inf, value)) if value else 0.0,
        p=p,
        p_signflip=p,
        p_student=0.0 if value else 1.0,
        smallest_p=smallest_two_sided_p(n if value else 0),
        exact=True,
        interval=Interval(value, value, confidence, "degenerate", note),
        note=note,
    )
