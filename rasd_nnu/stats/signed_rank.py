"""Wilcoxon's signed-rank test, exact in the presence of ties and zeros."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from rasd_nnu.stats.result import Result
from rasd_nnu.stats.signflip import smallest_two_sided_p
from rasd_nnu.stats.units import unit_means

EXACT_UNITS = 500  # the exact distribution takes n^3 steps; far above this the normal approximation is good


@dataclass(frozen=True)
class SignedRankResult(Result):
    """Outcome of a signed-rank test.

    Args:
        p: Two-sided p-value.
        smallest_p: The smallest p-value that the test could have given with this many non-zero differences.
        rank_biserial: Matched-pairs rank-biserial correlation, -1 to 1: the share of ranks in favour minus the
            share against (Kerby 2014).
        exact: True if p comes from the exact distribution, False if from scipy's normal approximation.
    """

    p: float
    smallest_p: float
    rank_biserial: float
    exact: bool


def paired_wilcoxon(differences: npt.ArrayLike, groups: Sequence[Hashable] | None = None) -> SignedRankResult:
    """Test whether paired differences are symmetric about zero, by their signed ranks.

    Zeros are ranked and their ranks split between both sides (``zero_method="zsplit"`` of scipy), tied
    differences share their mean rank. `scipy.stats.wilcoxon` turns to the normal approximation as soon as there
    is a tie or a zero among more than 13 differences; the exact distribution is computed here instead.

    Args:
        differences: Difference of each case, shape (n,).
        groups: Group (patient) of each case; the mean difference of the group is the unit. None: every case.

    Raises:
        ValueError: If a difference is not finite or the lengths differ.

    Example:
        >>> paired_wilcoxon([0.1, 0.2, 0.3, 0.4]).p
        0.125
    """
    units = unit_means(differences, groups)
    ranks = stats.rankdata(np.abs(units))
    signed = np.sign(units) * ranks
    nonzero = signed[signed != 0]
    smallest = smallest_two_sided_p(nonzero.size)
    biserial = float(nonzero.sum() / ranks.sum())
    if units.size <= EXACT_UNITS:
        return SignedRankResult(_exact_p(nonzero), smallest, biserial, exact=True)
    p = float(stats.wilcoxon(units, zero_method="zsplit", method="asymptotic").pvalue)
    return SignedRankResult(p, smallest, biserial, exact=False)


def _exact_p(signed_ranks: npt.NDArray[np.float64]) -> float:
    """Return the two-sided p of the sum of signed ranks among all equally likely sign patterns.

    The distribution is built one rank at a time (the shift algorithm, Streitberg and Roehmel 1986); twice a mid-rank is
    an integer, so it lives on a grid.
    """
    steps = np.rint(2 * np.abs(signed_ranks)).astype(int)
    total = int(steps.sum())
    density = np.zeros(total + 1)  # of twice the sum of the ranks with a positive sign
    density[0] = 1.0
    for step in steps:
        shifted = np.zeros_like(density)
        shifted[step:] = density[: density.size - step]
        density = (density + shifted) / 2
    positive = int(steps[signed_ranks > 0].sum())
    distance = np.abs(2 * np.arange(total + 1) - total)
    return float(min(1.0, density[distance >= abs(2 * positive - total)].sum()))
