"""Claims of "no worse" and "as good": non-inferiority and equivalence with a margin that was fixed beforehand."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

from rasd_nnu.stats.result import Interval, Result


@dataclass(frozen=True)
class EquivalenceResult(Result):
    """Outcome of non-inferiority and equivalence of A against B, differences A - B, higher is better.

    Args:
        margin: The largest difference that does not matter.
        p_not_worse: p-value of "A is worse than B by the margin or more"; small: A is not worse.
        p_not_better: p-value of "A is better than B by the margin or more".
        p: p-value of equivalence by two one-sided tests (TOST, Schuirmann 1987): the larger of both.
        interval: Of the difference, with confidence 1 - 2 * alpha: inside (-margin, margin) exactly if p < alpha.
        not_worse: True if p_not_worse < alpha.
        equivalent: True if p < alpha.
    """

    margin: float
    p_not_worse: float
    p_not_better: float
    p: float
    interval: Interval
    not_worse: bool
    equivalent: bool


def equivalence(difference: float, se: float, df: float, margin: float, alpha: float = 0.05) -> EquivalenceResult:
    """Test non-inferiority and equivalence of a difference by Student's t.

    Difference, standard error and degrees of freedom are those of any analysis: `MeanTest` (n - 1), or
    `CrossedTest` (of its primary or its Hillis analysis).

    Args:
        difference: Mean difference A - B.
        se: Its standard error.
        df: Degrees of freedom; infinite for the normal distribution.
        margin: The largest difference that does not matter, fixed before looking at the data.
        alpha: Level of each one-sided test.

    Raises:
        ValueError: If the margin or the standard error is not positive.

    Example:
        >>> result = equivalence(difference=-0.001, se=0.002, df=29, margin=0.01)
        >>> result.not_worse, result.equivalent
        (True, True)
    """
    if not margin > 0:
        raise ValueError(f"the margin must be positive, got {margin}; for Dice 0.01 (one point) is usual")
    if not se > 0 or not df > 0:
        raise ValueError(f"standard error and degrees of freedom must be positive, got {se} and {df}")
    p_not_worse = float(stats.t.sf((difference + margin) / se, df))
    p_not_better = float(stats.t.cdf((difference - margin) / se, df))
    p = max(p_not_worse, p_not_better)
    half = float(stats.t.ppf(1 - alpha, df)) * se
    interval = Interval(difference - half, difference + half, 1 - 2 * alpha, "student")
    return EquivalenceResult(margin, p_not_worse, p_not_better, p, interval, p_not_worse < alpha, p < alpha)
