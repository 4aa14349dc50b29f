"""Bootstrap confidence interval of the mean paired difference."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from rasd_nnu.stats.result import Interval
from rasd_nnu.stats.units import unit_means

RELIABLE_UNITS = 10  # below this a bootstrap interval is too narrow more often than it says
_BATCH_VALUES = 1_000_000  # resampled values held in memory at a time


def mean_interval(
    differences: npt.ArrayLike,
    groups: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Return the bias-corrected and accelerated (BCa) bootstrap interval of the mean difference.

    With groups, whole groups are resampled, each standing for its mean difference (a cluster bootstrap); the
    mean of the group means is then what is estimated, as in `paired_signflip`.

    Args:
        differences: Difference of each case, shape (n,).
        groups: Group (patient) of each case. None: every case.
        confidence: Nominal coverage, between 0 and 1.
        n_resamples: Number of bootstrap samples.
        seed: Seed of the bootstrap samples.

    Raises:
        ValueError: If there are fewer than 2 units, a difference is not finite or the lengths differ.
    """
    units = unit_means(differences, groups)
    if units.size < 2:
        raise ValueError(f"an interval needs at least 2 units, got {units.size}")
    if np.ptp(units) == 0:
        value = float(units[0])
        note = f"all {units.size} differences are equal, so the interval has no width; it is not certainty"
        return Interval(value, value, confidence, "degenerate", note)
    bounds = stats.bootstrap(
        (units,),
        np.mean,
        confidence_level=confidence,
        n_resamples=n_resamples,
        batch=max(1, _BATCH_VALUES // units.size),
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    note = f"interval unreliable with n = {units.size}" if units.size < RELIABLE_UNITS else ""
    return Interval(float(bounds.low), float(bounds.high), confidence, "bca", note)
