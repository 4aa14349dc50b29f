"""Degrees of freedom of a mean whose variance rests on few seeds and on many patients.

Satterthwaite's rule estimates them from the same mean squares as the variance: where two or three seeds happen to
agree, the variance comes out too small and the degrees of freedom too many, and a test at 5 % rejects up to 13 %.
Cochran and Cox (Experimental Designs, 1950) weight the critical values instead. How well this works is in
docs/evidence/calibration.md.
"""

from __future__ import annotations

from scipy import optimize, special

_LEVEL = 0.05


def weighted_critical(share: float, n_seeds: int, n_patients: int, alpha: float = _LEVEL) -> float:
    """Return the two-sided critical value of t between that of the seeds and that of the patients.

    Args:
        share: Share of the variance that rests on the mean square of the seeds, 0 to 1.
        n_seeds: Seeds, at least 2.
        n_patients: Patients, at least 2.
        alpha: Level.
    """
    of_seeds, of_patients = (float(special.stdtrit(k - 1, 1 - alpha / 2)) for k in (n_seeds, n_patients))
    return of_patients + (of_seeds - of_patients) * share ** exponent(n_seeds)


def weighted_df(share: float, n_seeds: int, n_patients: int) -> float:
    """Return the degrees of freedom of which `weighted_critical` is the critical value at 5 %; arguments as there.

    Example:
        >>> round(weighted_df(0.0, 3, 50), 6), round(weighted_df(1.0, 3, 50), 6), round(weighted_df(0.5, 3, 50), 2)
        (49.0, 2.0, 4.27)
    """
    low, high = sorted((n_seeds - 1.0, n_patients - 1.0))
    if share in (0.0, 1.0) or low == high:
        return float(n_seeds - 1 if share == 1.0 else n_patients - 1)
    ends = [float(special.stdtrit(df, 1 - _LEVEL / 2)) for df in (high, low)]
    wanted = min(max(weighted_critical(share, n_seeds, n_patients), ends[0]), ends[1])  # rounding may step over
    return float(optimize.brentq(lambda df: special.stdtrit(df, 1 - _LEVEL / 2) - wanted, low, high, xtol=1e-9))


def exponent(n_seeds: int) -> float:
    """Return the power of the seeds' share: 1 (Cochran and Cox) for two seeds, which need the most care, else 1.5."""
    return 1.0 if n_seeds == 2 else 1.5


def agreement(n_seeds: int) -> float:
    """Return how much of the mean square that seeds would have if they did not differ is added to theirs.

    With two seeds all of it: the standard error is then never smaller than that of these very trainings. With more a
    quarter, which keeps the coverage of the interval at 93 to 97 %.
    """
    return 1.0 if n_seeds == 2 else 0.25
