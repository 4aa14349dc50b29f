"""The primary tests over many simulated comparisons at once, checked against the functions of the package.

The same formulas as rasd_nnu.stats.mean_test and rasd_nnu.stats.crossed, vectorised over simulations; `check_*` raise
if the first simulations of a cell do not give the package's own p-values.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from rasd_nnu.stats import crossed_mean_test, mean_test, skewness
from rasd_nnu.stats.critical import agreement, exponent
from rasd_nnu.stats.flips import EXACT_UNITS

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
FLIPS, CHECKED = 2000, 25
_AT_A_TIME = 250


def sign_patterns(n: int) -> FloatArray:
    """Return the patterns that `mean_test` with seed 0 uses, shape (patterns, n)."""
    if n <= EXACT_UNITS:
        return 1.0 - 2.0 * ((np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1)
    random_bytes = np.frombuffer(np.random.default_rng(0).bytes(FLIPS * ((n + 7) // 8)), np.uint8)
    return 1.0 - 2.0 * np.unpackbits(random_bytes.reshape(FLIPS, -1), axis=1)[:, :n]


def corrected_t(first: FloatArray, square: FloatArray, third: FloatArray, n: int) -> FloatArray:
    """Return the skewness-corrected t from sums of powers of n values."""
    mean, second = first / n, square / n
    variance = np.maximum(second - mean * mean, 1e-14 * second)
    central = third / n - mean * (3 * second - 2 * mean * mean)
    with np.errstate(invalid="ignore", divide="ignore"):
        skew = np.where(variance > 1e-10 * second, central / (variance * np.sqrt(variance)), 0.0)
        a = skew * np.sqrt(n - 1) / (n - 2)
        return np.nan_to_num(skewness.transform(np.sqrt(n - 1) * mean / np.sqrt(variance), a))


def one_training_p(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the primary p-value and that of the plain sign-flip test, x of shape (simulations, n)."""
    n = x.shape[1]
    signs = sign_patterns(n)
    plus = 0 if n <= EXACT_UNITS else 1
    primary, plain = np.empty(x.shape[0]), np.empty(x.shape[0])
    for start in range(0, x.shape[0], _AT_A_TIME):
        part = slice(start, start + _AT_A_TIME)
        z = x[part]
        square = (z**2).sum(1, keepdims=True)
        first, third = z @ signs.T, z**3 @ signs.T
        observed = corrected_t(z.sum(1, keepdims=True), square, (z**3).sum(1, keepdims=True), n)
        extreme = np.abs(corrected_t(first, square, third, n)) >= np.abs(observed) * (1 - 1e-9)
        flip = (extreme.sum(1) + plus) / (signs.shape[0] + plus)
        primary[part] = np.maximum(flip, 2 * stats.t.sf(np.abs(observed[:, 0]), n - 1))
        far = np.abs(first) >= np.abs(z.sum(1, keepdims=True)) * (1 - 1e-9)
        plain[part] = (far.sum(1) + plus) / (signs.shape[0] + plus)
    return np.where(np.ptp(x, axis=1) == 0, 1.0, primary), plain


def check_one_training(x: FloatArray, p: FloatArray) -> float:
    """Compare with `mean_test`; return the share of its intervals that hold 0 exactly if it does not reject."""
    tests = [mean_test(row, n_resamples=FLIPS) for row in np.round(x[:CHECKED], 10)]
    expected = np.array([t.p for t in tests])
    if not np.allclose(p[:CHECKED], expected, rtol=1e-3, atol=2 / FLIPS):
        raise RuntimeError(f"the vectorised test differs from mean_test: {p[:CHECKED]} and {expected}")
    return float(np.mean([(t.interval.low <= 0 <= t.interval.high) == (t.p > 0.05) for t in tests]))


def crossed_p(d: FloatArray) -> dict[str, FloatArray]:
    """Return the p-values of the crossed analyses, d of shape (simulations, seeds, n)."""
    _, s, n = d.shape
    mean, of_seeds, of_patients = d.mean((1, 2)), d.mean(2), d.mean(1)
    rest = d - of_seeds[:, :, None] - of_patients[:, None, :] + mean[:, None, None]
    squares = np.stack(
        [
            of_seeds.var(1, ddof=1),
            s * of_patients.var(1, ddof=1) / n,
            (rest**2).sum((1, 2)) / ((s - 1) * (n - 1) * n),
        ]
    )
    seeds, patients, residual = squares
    common = np.maximum(patients - residual, 0.0)
    total = seeds + common
    third = ((of_patients - mean[:, None]) ** 3).sum(1) / ((n - 1) * (n - 2) * n)
    careful = total + agreement(s) * residual / (s - 1)
    cases = np.where(common > 0, patients**2 / (n - 1) + residual**2 / ((s - 1) * (n - 1)), 0.0)
    satterthwaite = total**2 / (seeds**2 / (s - 1) + cases)
    return {
        "primary": _p(mean, careful / s, _weighted_df(seeds / careful, s, n), third),
        "satterthwaite": _p(mean, total / s, satterthwaite, third),
        "hillis": _p(mean, total / s, total**2 / (seeds**2 / (s - 1)), np.zeros_like(third)),
    }


def _p(mean: FloatArray, variance: FloatArray, df: FloatArray, third: FloatArray) -> FloatArray:
    """Return the p-value of a mean with a variance and a third cumulant."""
    corrected = skewness.transform(mean / np.sqrt(variance), third / variance**1.5)
    return np.asarray(2 * stats.t.sf(np.abs(corrected), df))


def _weighted_df(share: FloatArray, s: int, n: int) -> FloatArray:
    """Return `critical.weighted_df` of many shares, by bisection."""
    of_seeds, of_patients = (special.stdtrit(k - 1, 0.975) for k in (s, n))
    wanted = of_patients + (of_seeds - of_patients) * share ** exponent(s)
    low, high = (np.full(share.shape, float(df)) for df in sorted((s - 1, n - 1)))
    for _ in range(45):
        middle = (low + high) / 2
        above = special.stdtrit(middle, 0.975) > wanted
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


def check_crossed(d: FloatArray, p: dict[str, FloatArray]) -> float:
    """Compare with `crossed_mean_test`; return the share of its intervals that hold 0 exactly if it does not reject."""
    tests = [crossed_mean_test(x, np.zeros_like(x)) for x in d[:CHECKED]]
    for key, name in (("primary", "test"), ("hillis", "hillis")):
        expected = np.array([getattr(t, name).p for t in tests])
        if not np.allclose(p[key][:CHECKED], expected, rtol=1e-5, atol=1e-9):
            raise RuntimeError(f"the vectorised {key} differs from crossed_mean_test: {p[key][:CHECKED]}, {expected}")
    return float(np.mean([(t.test.interval.low <= 0 <= t.test.interval.high) == (t.test.p > 0.05) for t in tests]))


def pigeonhole_rejects(d: FloatArray, rng: np.random.Generator, resamples: int = 1000) -> BoolArray:
    """Return where the 95 % interval of the two-way bootstrap lies beside 0."""
    _, s, n = d.shape
    seeds = rng.multinomial(s, np.full(s, 1 / s), resamples) / s
    patients = rng.multinomial(n, np.full(n, 1 / n), resamples) / n
    weights = (seeds[:, :, None] * patients[:, None, :]).reshape(resamples, s * n)
    low, high = np.quantile(d.reshape(d.shape[0], -1) @ weights.T, [0.025, 0.975], axis=1)
    return np.asarray((low > 0) | (high < 0))
