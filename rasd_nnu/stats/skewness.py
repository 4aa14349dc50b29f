"""Student's t corrected for skewness by Hall's monotone cubic transformation (Hall 1992).

With few units and skewed differences, t is too often far out on one side: a sample that happens to lack the long
tail has both a mean that is off and a spread that is too small. Hall's transformation adds the first term of the
Edgeworth expansion in such a way that it stays monotone, so that the interval is its inverse.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def transform(t: npt.ArrayLike, a: npt.ArrayLike) -> FloatArray:
    """Return t + a t^2 / 3 + a^2 t^3 / 27 + a / 6.

    Args:
        t: Studentised mean.
        a: Estimated skewness of the mean: that of one unit divided by the root of their number.
    """
    t, a = np.asarray(t, dtype=np.float64), np.asarray(a, dtype=np.float64)
    at = a * t
    return t * (1 + at / 3 + at * at / 27) + a / 6


def inverse(h: float, a: float) -> float:
    """Return the t whose transform is h."""
    if abs(a) < 1e-9:  # the closed form divides by a; the error of leaving the correction out is of this size
        return h
    return float(3 / a * (np.cbrt(1 + a * (h - a / 6)) - 1))


def mean_skewness(values: FloatArray) -> float:
    """Return the estimated skewness of the mean of independent values, shape (n,).

    It is the bias-corrected skewness of one value (Fisher-Pearson, G1) divided by the root of n; 0 for n < 3 or where
    all values are equal.
    """
    return float(third_cumulant_of_mean(values) / max(standard_error(values), np.finfo(float).tiny) ** 3)


def third_cumulant_of_mean(values: FloatArray) -> float:
    """Return the unbiased estimate of the third cumulant of the mean of independent values; 0 for n < 3."""
    n = values.size
    if n < 3 or np.ptp(values) == 0:
        return 0.0
    return float(((values - values.mean()) ** 3).sum() / ((n - 1) * (n - 2) * n))


def standard_error(values: FloatArray) -> float:
    """Return the standard error of the mean of independent values, shape (n,)."""
    return float(values.std(ddof=1) / np.sqrt(values.size))
