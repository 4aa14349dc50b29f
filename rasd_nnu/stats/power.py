"""How many patients and seeds it takes to see a difference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy import stats

from rasd_nnu.stats.components import VarianceComponents
from rasd_nnu.stats.critical import weighted_critical
from rasd_nnu.stats.result import Result

MOST = 10_000  # patients or seeds beyond which the answer is "not in this way"


@dataclass(frozen=True)
class Sizes(Result):
    """What it takes to see a difference with a given power.

    Args:
        difference: The difference to be seen.
        target: The wanted power.
        power: Power of the present design for this difference.
        patients: Patients needed with the present seeds; None if no number up to `MOST` is enough.
        seeds: Seeds needed with the present patients; None likewise (always None for one seed).
    """

    difference: float
    target: float
    power: float
    patients: int | None
    seeds: int | None


def paired_power(difference: float, sd: float, n: int, alpha: float = 0.05) -> float:
    """Return the power of the two-sided paired t-test.

    Args:
        difference: True mean difference.
        sd: Standard deviation of the units' differences.
        n: Units.
        alpha: Level.
    """
    if sd <= 0 or n < 2:
        raise ValueError(f"power needs a positive standard deviation and 2 units, got {sd} and {n}")
    return _power(difference * math.sqrt(n) / sd, n - 1, float(stats.t.ppf(1 - alpha / 2, n - 1)))


def paired_sizes(difference: float, sd: float, n: int, target: float = 0.8, alpha: float = 0.05) -> Sizes:
    """Return how many patients one training an arm takes; another training may differ by more than this can see."""
    patients = _smallest(lambda k: paired_power(difference, sd, k, alpha), target)
    return Sizes(difference, target, paired_power(difference, sd, n, alpha), patients, None)


def crossed_power(
    difference: float, components: VarianceComponents, seeds: int, patients: int, alpha: float = 0.05
) -> float:
    """Return the power of the crossed analysis with so many seeds and patients.

    The mean squares are put at their expectations, with components below 0 as 0 (Hillis and Berbaum 2004).

    Args:
        difference: True mean difference.
        components: Variance components, as estimated by `crossed`.
        seeds: Seeds, at least 2.
        patients: Patients, at least 2.
        alpha: Level.
    """
    seed, patient, rest = (max(x, 0.0) for x in (components.seed, components.patient, components.residual))
    of_seeds = seed + rest / patients
    of_patients, of_rest = (seeds * patient + rest) / patients, rest / patients
    common = of_patients - of_rest
    variance = (of_seeds + common) / seeds
    if variance <= 0:
        raise ValueError("power needs a positive variance, got components that are all 0")
    denominator = of_seeds**2 / (seeds - 1)
    if common > 0:
        denominator += of_patients**2 / (patients - 1) + of_rest**2 / ((seeds - 1) * (patients - 1))
    df = (of_seeds + common) ** 2 / denominator if denominator > 0 else math.inf
    critical = weighted_critical(of_seeds / (of_seeds + common), seeds, patients, alpha)
    return _power(difference / math.sqrt(variance), df, critical)


def crossed_sizes(difference: float, components: VarianceComponents, target: float = 0.8, alpha: float = 0.05) -> Sizes:
    """Return how many patients with these seeds, or seeds with these patients, a difference takes."""
    s, n = components.n_seeds, components.n_patients
    patients = _smallest(lambda k: crossed_power(difference, components, s, k, alpha), target)
    seeds = _smallest(lambda k: crossed_power(difference, components, k, n, alpha), target)
    return Sizes(difference, target, crossed_power(difference, components, s, n, alpha), patients, seeds)


def _power(noncentrality: float, df: float, critical: float) -> float:
    """Return the power of a two-sided t-test with a critical value."""
    shift = abs(noncentrality)
    if math.isinf(df):
        return float(stats.norm.sf(critical - shift) + stats.norm.cdf(-critical - shift))
    if shift > 6:  # the other tail is below 1e-9, and scipy returns NaN for some of these
        return float(stats.nct.sf(critical, df, shift))
    return float(stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift))


def _smallest(power_of: Callable[[int], float], target: float) -> int | None:
    """Return the smallest number from 2 to `MOST` with the wanted power, by bisection; None if there is none."""
    if not 0 < target < 1:
        raise ValueError(f"the wanted power must lie between 0 and 1, got {target}")
    if power_of(MOST) < target:
        return None
    low, high = 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= target else (middle, high)
    return high
