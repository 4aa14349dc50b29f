"""McNemar's exact test of two arms that are right or wrong on the same cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from rasd_nnu.stats.result import Result


@dataclass(frozen=True)
class McNemarResult(Result):
    """Outcome of McNemar's test.

    Args:
        only_a: Cases that only arm A has right.
        only_b: Cases that only arm B has right.
        difference: Accuracy of A minus accuracy of B.
        p: Exact two-sided p-value.
    """

    only_a: int
    only_b: int
    difference: float
    p: float


def mcnemar(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike) -> McNemarResult:
    """Test whether two arms are right equally often, by the binomial distribution of the discordant cases.

    Each case must be another patient; with several cases a patient use `mean_test` on the differences of correctness.

    Args:
        correct_a: True where arm A is right, shape (n,).
        correct_b: True where arm B is right, shape (n,).

    Raises:
        ValueError: If the vectors are empty, of different lengths or not boolean.

    Example:
        >>> mcnemar([True, True, True, False], [False, True, False, False]).p
        0.5
    """
    a, b = np.asarray(correct_a), np.asarray(correct_b)
    if a.ndim != 1 or a.shape != b.shape or a.size == 0:
        raise ValueError(f"expected two vectors of one length, got shapes {a.shape} and {b.shape}")
    if a.dtype != bool or b.dtype != bool:
        raise ValueError(f"expected booleans, got {a.dtype} and {b.dtype}; compare predictions with labels first")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    discordant = only_a + only_b
    p = float(stats.binomtest(only_a, discordant).pvalue) if discordant else 1.0
    return McNemarResult(only_a, only_b, (only_a - only_b) / a.size, p)
