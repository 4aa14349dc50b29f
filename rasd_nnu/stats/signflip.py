"""Paired permutation (sign-flip) test of the mean difference."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rasd_nnu.stats.result import Result
from rasd_nnu.stats.units import unit_means

EXACT_UNITS = 15  # 2^15 sign patterns are enumerated; above that they are drawn
_CHUNK = 10_000  # sign patterns held in memory at a time


@dataclass(frozen=True)
class SignFlipResult(Result):
    """Outcome of a sign-flip test.

    Args:
        p: Two-sided p-value, never 0.
        smallest_p: The smallest p-value that the test could have given with this many non-zero differences.
        exact: True if all sign patterns were enumerated, False if they were drawn.
    """

    p: float
    smallest_p: float
    exact: bool


def smallest_two_sided_p(nonzero_units: int) -> float:
    """Return the smallest two-sided p that flipping the signs of so many non-zero differences can reach.

    Only the observed signs and their mirror image are as extreme when all signs agree: 2 of 2^n patterns.
    """
    return float(min(1.0, 2.0 ** (1 - nonzero_units)))


def paired_signflip(
    differences: npt.ArrayLike,
    groups: Sequence[Hashable] | None = None,
    n_resamples: int = 100_000,
    seed: int = 0,
) -> SignFlipResult:
    """Test whether the mean paired difference is zero, by flipping the signs of whole groups.

    Under the hypothesis that the arms are exchangeable within a unit, each unit's difference is as likely to
    have either sign. Up to `EXACT_UNITS` non-zero units, all patterns are enumerated; above that ``n_resamples``
    are drawn and the observed one is counted among them (Phipson and Smyth 2010), so that p is never 0.

    Args:
        differences: Difference of each case, shape (n,).
        groups: Group (patient) of each case; the mean difference of the group is the unit. None: every case.
        n_resamples: Number of sign patterns drawn where they are too many to enumerate.
        seed: Seed of the drawn sign patterns.

    Raises:
        ValueError: If a difference is not finite or the lengths differ.

    Example:
        >>> paired_signflip([0.1, 0.2, 0.3, 0.4]).p
        0.125
    """
    units = unit_means(differences, groups)
    nonzero = units[units != 0]  # a zero does not change the sum, whichever sign it has
    smallest = smallest_two_sided_p(nonzero.size)
    # Sums of the same numbers in another order differ by rounding; equal ones must count as equally extreme.
    observed = abs(nonzero.sum()) - 1e-12 * np.abs(nonzero).sum()
    if nonzero.size <= EXACT_UNITS:
        bits = np.arange(2**nonzero.size)[:, None] >> np.arange(nonzero.size)[None, :]
        sums = (1 - 2 * (bits & 1)) @ nonzero
        return SignFlipResult(float(np.mean(np.abs(sums) >= observed)), smallest, exact=True)
    extreme = _count_extreme(nonzero, observed, n_resamples, np.random.default_rng(seed))
    p = (extreme + 1) / (n_resamples + 1)
    return SignFlipResult(p, max(smallest, 1 / (n_resamples + 1)), exact=False)


def _count_extreme(values: npt.NDArray[np.float64], observed: float, n_resamples: int, rng: np.random.Generator) -> int:
    """Count how many of ``n_resamples`` random sign patterns give a sum at least as far from zero."""
    extreme = 0
    for start in range(0, n_resamples, _CHUNK):
        size = (min(_CHUNK, n_resamples - start), values.size)
        signs = 1.0 - 2.0 * rng.integers(0, 2, size=size, dtype=np.int8)
        extreme += int(np.count_nonzero(np.abs(signs @ values) >= observed))
    return extreme
