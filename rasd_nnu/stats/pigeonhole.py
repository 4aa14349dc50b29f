"""The two-way "pigeonhole" bootstrap of seeds and patients (Owen 2007): a second opinion without a model."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rasd_nnu.stats.result import Interval, Result, check_confidence
from rasd_nnu.stats.units import unit_means


@dataclass(frozen=True)
class PigeonholeResult(Result):
    """Outcome of the two-way bootstrap.

    Args:
        difference: Mean difference.
        se: Bootstrap standard error.
        interval: Percentile interval.
        share_positive: Share of the resampled differences above 0, ties count one half.
        note: What limits the reliability.
    """

    difference: float
    se: float
    interval: Interval
    share_positive: float
    note: str


def pigeonhole(
    differences: npt.ArrayLike,
    groups: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> PigeonholeResult:
    """Resample seeds and patients independently of each other, each with replacement.

    Args:
        differences: Difference of each seed and case, shape (seeds, cases).
        groups: Patient of each case; the mean of a patient's cases is the unit. None: every case.
        confidence: Nominal coverage of the interval.
        n_resamples: Number of bootstrap samples.
        seed: Seed of the bootstrap samples.

    Raises:
        ValueError: If there are fewer than 2 seeds or patients, or a difference is not finite.
    """
    alpha = 1 - check_confidence(confidence)
    table = np.array([unit_means(row, groups) for row in np.atleast_2d(np.asarray(differences, dtype=np.float64))])
    n_seeds, n_units = table.shape
    if n_seeds < 2 or n_units < 2:
        raise ValueError(f"the two-way bootstrap needs 2 seeds and 2 patients, got {n_seeds} and {n_units}")
    rng = np.random.default_rng(seed)
    seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_resamples) / n_seeds
    units = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_resamples) / n_units
    means = ((seeds @ table) * units).sum(1)
    low, high = np.quantile(means, [alpha / 2, 1 - alpha / 2])
    factor = np.sqrt((n_seeds - 1) / n_seeds)
    note = f"{n_seeds} seeds resampled: what seeds add to the standard error is too small, by a factor of {factor:.2f}"
    return PigeonholeResult(
        difference=float(table.mean()),
        se=float(means.std(ddof=1)),
        interval=Interval(float(low), float(high), confidence, "pigeonhole"),
        share_positive=float(np.mean((means > 0) + 0.5 * (means == 0))),
        note=note,
    )
