"""The sign-flip distribution of the skewness-corrected t, for any hypothetical mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rasd_nnu.stats import skewness

FloatArray = npt.NDArray[np.float64]
EXACT_UNITS = 17  # 2^16 patterns (a pattern and its mirror image count once) are enumerated; above that they are drawn
_CHUNK_VALUES = 4_000_000  # signs held in memory at a time
_TIE = 1e-9  # equal statistics that were summed in another order differ by rounding


class SignFlips:
    """Sign patterns of some units, kept as the sums that the statistic needs.

    Flipping the signs of ``u - delta`` changes only the sums of its odd powers, and these are linear in the sums of
    sign, sign * u, sign * u^2 and sign * u^3. So the patterns are drawn once and every delta costs a few operations
    a pattern: the interval is made from the same patterns as the p-value and agrees with it.

    Args:
        units: Differences, shape (n,), n >= 2, not all equal.
        n_resamples: Number of patterns drawn where they are too many to enumerate.
        seed: Seed of the drawn patterns.
    """

    def __init__(self, units: FloatArray, n_resamples: int, seed: int) -> None:
        self.n = units.size
        self.exact = self.n <= EXACT_UNITS
        self._center, self._scale = float(units.mean()), float(units.std(ddof=1))
        self._z = (units - self._center) / self._scale
        powers = self._z[:, None] ** np.arange(4)
        if self.exact:
            sums = self._patterns(np.arange(2 ** (self.n - 1))) @ powers
        else:
            sums = _drawn_sums(powers, n_resamples, seed)
        self._sums = np.ascontiguousarray(sums.T)

    def _patterns(self, codes: npt.NDArray[np.int64]) -> FloatArray:
        """Return the signs that the bits of each code stand for, shape (codes, n); the last is always positive."""
        bits = (codes[:, None] >> np.arange(self.n)) & 1
        return np.asarray(1.0 - 2.0 * bits, dtype=np.float64)

    def p(self, delta: float = 0.0) -> float:
        """Return the two-sided p-value of the hypothesis that the mean is ``delta``.

        The statistic of a mirrored pattern is the negative one, so that half of the patterns are enough. Drawn
        patterns count the observed one among them (Phipson and Smyth 2010).
        """
        c = (delta - self._center) / self._scale
        shifted = self._z - c
        square = float((shifted**2).sum())
        s0, s1, s2, s3 = self._sums
        first, third = s1 - c * s0, s3 - 3 * c * s2 + 3 * c**2 * s1 - c**3 * s0
        flipped = np.abs(_statistic(first, square, third, self.n))
        observed = _statistic(shifted.sum(), square, (shifted**3).sum(), self.n)
        extreme = int(np.count_nonzero(flipped >= np.abs(observed) * (1 - _TIE)))
        return extreme / flipped.size if self.exact else (extreme + 1) / (flipped.size + 1)


def _statistic(first: npt.ArrayLike, square: float, third: npt.ArrayLike, n: int) -> FloatArray:
    """Return the corrected t from the sums of first, second and third powers of n values."""
    mean = np.asarray(first, dtype=np.float64) / n
    squared = mean * mean
    variance = np.maximum(square / n - squared, 1e-14 * square / n)
    sd = np.sqrt(variance)
    central = np.asarray(third, dtype=np.float64) / n - mean * (3 * square / n - 2 * squared)
    factor = np.sqrt(n - 1) / (n - 2) if n > 2 else 0.0  # bias correction of the skewness, over the root of n
    skew = np.where(variance > 1e-10 * square / n, factor * central / (variance * sd), 0.0)  # else: all equal
    return skewness.transform(np.sqrt(n - 1) * mean / sd, skew)


def _drawn_sums(powers: FloatArray, n_resamples: int, seed: int) -> FloatArray:
    """Return the sums of ``powers``, shape (n, 4), under random signs, shape (n_resamples, 4)."""
    n = powers.shape[0]
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK_VALUES // n)
    sums = np.empty((n_resamples, powers.shape[1]))
    for start in range(0, n_resamples, rows):
        stop = min(start + rows, n_resamples)
        random_bytes = rng.bytes((stop - start) * ((n + 7) // 8))
        bits = np.unpackbits(np.frombuffer(random_bytes, np.uint8).reshape(stop - start, -1), axis=1)[:, :n]
        sums[start:stop] = powers.sum(0) - 2.0 * (bits.astype(np.float64) @ powers)
    return sums
