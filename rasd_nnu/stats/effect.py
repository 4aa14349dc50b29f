"""Effect sizes of paired differences that outliers do not carry away."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from rasd_nnu.stats.result import Interval, Result, check_confidence
from rasd_nnu.stats.units import unit_means

FloatArray = npt.NDArray[np.float64]
_EXACT_UNITS = 500


@dataclass(frozen=True)
class EffectSizes(Result):
    """Effect sizes of paired differences over units.

    Args:
        hodges_lehmann: Median of all pairwise means: the location if the differences are symmetric.
        hodges_lehmann_interval: The locations that the signed-rank test does not reject.
        probability_of_improvement: Share of units where A is better, ties count one half.
        rank_biserial: Matched-pairs rank-biserial correlation, -1 to 1 (Kerby 2014).
        cohen_dz: Mean over standard deviation of the differences; NaN where they are all equal.
        median: Median difference.
    """

    hodges_lehmann: float
    hodges_lehmann_interval: Interval
    probability_of_improvement: float
    rank_biserial: float
    cohen_dz: float
    median: float


def effect_sizes(
    differences: npt.ArrayLike, groups: Sequence[Hashable] | None = None, confidence: float = 0.95
) -> EffectSizes:
    """Return the effect sizes of paired differences.

    Args:
        differences: Difference A - B of each case, shape (n,).
        groups: Group (patient) of each case; the mean difference of the group is the unit. None: every case.
        confidence: Nominal coverage of the interval.

    Raises:
        ValueError: If a difference is not finite or the lengths differ.

    Example:
        >>> sizes = effect_sizes([0.01, 0.03, -0.01, 0.02, 0.0])
        >>> round(sizes.hodges_lehmann, 4), sizes.probability_of_improvement
        (0.01, 0.7)
    """
    units = unit_means(differences, groups)
    ranks = stats.rankdata(np.abs(units))
    sd = float(units.std(ddof=1)) if units.size > 1 else 0.0
    return EffectSizes(
        hodges_lehmann=float(np.median(_walsh(units))),
        hodges_lehmann_interval=hodges_lehmann_interval(units, confidence),
        probability_of_improvement=float(np.mean((units > 0) + 0.5 * (units == 0))),
        rank_biserial=float((np.sign(units) * ranks).sum() / ranks.sum()),
        cohen_dz=float(units.mean()) / sd if sd > 0 else float("nan"),
        median=float(np.median(units)),
    )


def hodges_lehmann_interval(units: FloatArray, confidence: float = 0.95) -> Interval:
    """Return the interval of the Hodges-Lehmann estimate: order statistics of the pairwise means.

    The exact distribution of the signed-rank sum of untied differences is used up to 500 units, the normal
    approximation above.

    Args:
        units: One difference a unit, shape (n,).
        confidence: Nominal coverage; the interval covers at least as often if the differences are symmetric.
    """
    alpha = 1 - check_confidence(confidence)
    walsh = np.sort(_walsh(units))
    k = _critical_rank(units.size, alpha)
    if k < 1:
        smallest = 2.0 ** (1 - units.size)
        note = f"n = {units.size}: the signed-rank test reaches {smallest:.3g} at best; this is the range"
        return Interval(float(walsh[0]), float(walsh[-1]), 1 - smallest, "range", note)
    return Interval(float(walsh[k - 1]), float(walsh[-k]), confidence, "signed-rank")


def _walsh(units: FloatArray) -> FloatArray:
    """Return the means of all pairs, each unit with itself included."""
    first, second = np.triu_indices(units.size)
    return np.asarray((units[first] + units[second]) / 2)


def _critical_rank(n: int, alpha: float) -> int:
    """Return the largest k with P(signed-rank sum < k) <= alpha / 2."""
    if n > _EXACT_UNITS:
        mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
        return int(np.floor(mean + stats.norm.ppf(alpha / 2) * np.sqrt(variance)))
    density = np.zeros(n * (n + 1) // 2 + 1)
    density[0] = 1.0
    for rank in range(1, n + 1):
        shifted = np.zeros_like(density)
        shifted[rank:] = density[:-rank]
        density = (density + shifted) / 2
    return int(np.searchsorted(np.cumsum(density), alpha / 2, side="right"))
