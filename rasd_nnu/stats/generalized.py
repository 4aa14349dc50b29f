"""Generalized p-value and interval of the mean in a crossed design (Weerahandi 1993).

Each mean square is replaced by its fiducial distribution, mean square * df / chi-square, and the variance of the mean
is made of these. So few seeds carry their full uncertainty, where a single t distribution rests on one estimate of the
degrees of freedom.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

FloatArray = npt.NDArray[np.float64]
_DRAWS = 4_096  # stratified, so that a p-value of 0.05 is exact to about 0.0005


def generalized_p(mean: float, mean_squares: FloatArray, degrees: tuple[int, int, int]) -> float:
    """Return the two-sided p-value of a mean.

    Args:
        mean: The mean.
        mean_squares: Those of seeds, patients and residual, each divided so that the variance of the mean is the first
            plus, where it is positive, the second less the third, shape (3,).
        degrees: Their degrees of freedom.
    """
    return float(2 * special.ndtr(-abs(mean) / _standard_errors(mean_squares, degrees)).mean())


def generalized_half_width(mean_squares: FloatArray, degrees: tuple[int, int, int], alpha: float) -> float:
    """Return the mean whose p-value is ``alpha``; arguments as in `generalized_p`."""
    errors = _standard_errors(mean_squares, degrees)
    high = float(errors.max()) * special.ndtri(1 - alpha / 2)
    return float(optimize.brentq(lambda h: 2 * special.ndtr(-h / errors).mean() - alpha, 0.0, high, rtol=1e-10))


def _standard_errors(mean_squares: FloatArray, degrees: tuple[int, int, int]) -> FloatArray:
    """Return draws of the standard error of the mean, shape (draws,)."""
    seeds, patients, rest = mean_squares[:, None] * inverse_chi_squares(degrees)
    return np.asarray(np.sqrt(seeds + np.maximum(patients - rest, 0.0)))


@lru_cache(maxsize=8)
def inverse_chi_squares(degrees: tuple[int, int, int]) -> FloatArray:
    """Return stratified draws of df / chi-square, shape (3, draws): the same for the same degrees of freedom."""
    rng = np.random.default_rng(0)
    uniform = (np.arange(_DRAWS) + 0.5) / _DRAWS
    rows = [df / (2 * special.gammaincinv(df / 2, rng.permutation(uniform))) for df in degrees]
    return np.array(rows)
