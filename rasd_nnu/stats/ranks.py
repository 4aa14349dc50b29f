"""More than two arms over several data sets: Friedman's test and Nemenyi's critical difference (Demsar 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from rasd_nnu.stats.result import Result


@dataclass(frozen=True)
class FriedmanNemenyi(Result):
    """Outcome of Friedman's test with Nemenyi's comparison of all pairs.

    Args:
        mean_ranks: Mean rank of each arm over the data sets; 1 is best.
        chi_square: Friedman's statistic, corrected for ties.
        p: p-value of Friedman's test (chi-square).
        f: Iman and Davenport's statistic (1980), less conservative; infinite where all data sets rank alike.
        p_f: Its p-value.
        critical_difference: Mean ranks that differ by at least this differ at level alpha (Nemenyi 1963).
        pairwise_p: Nemenyi's p-value of each pair of arms, a symmetric matrix.
        alpha: Level of the critical difference.
    """

    mean_ranks: tuple[float, ...]
    chi_square: float
    p: float
    f: float
    p_f: float
    critical_difference: float
    pairwise_p: tuple[tuple[float, ...], ...]
    alpha: float


def friedman_nemenyi(scores: npt.ArrayLike, alpha: float = 0.05) -> FriedmanNemenyi:
    """Compare several arms over several data sets by their ranks.

    Args:
        scores: Score of each data set and arm, shape (datasets, arms), higher is better; at least 2 x 3.
        alpha: Level of the critical difference.

    Raises:
        ValueError: If there are fewer than 3 arms or 2 data sets, a score is not finite, or all arms tie everywhere.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 2 or table.shape[1] < 3:
        raise ValueError(f"expected scores of 2 or more data sets and 3 or more arms, got shape {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("scores must be finite, got NaN or infinity: leave out the data set or the arm")
    n, k = table.shape
    ranks = stats.rankdata(-table, axis=1).mean(0)
    if np.ptp(table, axis=1).max() == 0:
        raise ValueError("all arms have the same score on every data set: there is nothing to rank")
    chi_square, p = stats.friedmanchisquare(*table.T)
    rest = n * (k - 1) - chi_square
    f = (n - 1) * chi_square / rest if rest > 1e-9 else float("inf")
    scale = np.sqrt(k * (k + 1) / (6 * n))
    distances = np.abs(ranks[:, None] - ranks[None, :]) / scale * np.sqrt(2)
    pairwise = np.minimum(stats.studentized_range.sf(distances, k, np.inf), 1.0)
    return FriedmanNemenyi(
        mean_ranks=tuple(ranks.tolist()),
        chi_square=float(chi_square),
        p=float(p),
        f=float(f),
        p_f=float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))),
        critical_difference=float(stats.studentized_range.ppf(1 - alpha, k, np.inf) / np.sqrt(2) * scale),
        pairwise_p=tuple(map(tuple, pairwise.tolist())),
        alpha=alpha,
    )
