"""The other ways to judge a mean paired difference, over many simulated comparisons at once.

Each function takes differences of shape (simulations, n) and returns, for each simulation, whether 0 is rejected at 5 %
(or lies outside the 95 % interval).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from rasd_nnu.stats import paired_wilcoxon

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
RESAMPLES = 1999


def student(x: FloatArray) -> BoolArray:
    """Student's t."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(stats.ttest_1samp(x, 0, axis=1).pvalue <= 0.05)


def wilcoxon(x: FloatArray) -> BoolArray:
    """Wilcoxon's signed-rank test: exact up to 12 units, scipy's normal approximation above."""
    if x.shape[1] <= 12:
        return np.array([paired_wilcoxon(row).p <= 0.05 for row in x])
    return np.asarray(stats.wilcoxon(x, axis=1, zero_method="zsplit", method="asymptotic").pvalue <= 0.05)


def cases_as_units(cases: FloatArray, exists: BoolArray) -> BoolArray:
    """Student's t that takes cases for independent; both arguments of shape (simulations, n, 5)."""
    n = exists.sum((1, 2))
    mean = cases.sum((1, 2)) / n
    variance = (exists * (cases - mean[:, None, None]) ** 2).sum((1, 2)) / (n - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2 * stats.t.sf(np.abs(mean) / np.sqrt(variance / n), n - 1) <= 0.05)


def bootstraps(x: FloatArray, rng: np.random.Generator) -> dict[str, BoolArray]:
    """Bootstrap intervals of the mean: BCa, and bootstrap-t with equal tails and symmetric."""
    n = x.shape[1]
    counts = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n
    mean = x.mean(1, keepdims=True)
    centred = x - mean
    first, second = centred @ counts.T, centred**2 @ counts.T
    spread = np.sqrt((centred**2).mean(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.nan_to_num(first / np.sqrt(np.maximum(second - first**2, 0)), posinf=1e9, neginf=-1e9)
        observed = np.nan_to_num(mean[:, 0] / spread)
        share = np.clip((first < 0).mean(1), 1 / RESAMPLES, 1 - 1 / RESAMPLES)
        bias, a = stats.norm.ppf(share), (centred**3).sum(1) / (6 * (centred**2).sum(1) ** 1.5)
        levels = [stats.norm.cdf(bias + (bias + z) / (1 - a * (bias + z))) for z in stats.norm.ppf([0.025, 0.975])]
    ordered = np.sort(first, axis=1) + mean
    rows = np.arange(x.shape[0])
    low, high = (ordered[rows, np.clip(np.nan_to_num(q) * RESAMPLES, 0, RESAMPLES - 1).astype(int)] for q in levels)
    up, down = (t >= observed[:, None]).sum(1) + 1, (t <= observed[:, None]).sum(1) + 1
    symmetric = (np.abs(t) >= np.abs(observed)[:, None]).sum(1) + 1
    return {
        "bca": (low > 0) | (high < 0),
        "bootstrap_t": 2 * np.minimum(up, down) / (RESAMPLES + 1) <= 0.05,
        "bootstrap_t_symmetric": symmetric / (RESAMPLES + 1) <= 0.05,
    }
