"""Two arms over several data sets: one mean difference a data set is the unit (Demsar 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rasd_nnu.stats.mean_test import MeanTest, mean_test
from rasd_nnu.stats.result import Result
from rasd_nnu.stats.signed_rank import SignedRankResult, paired_wilcoxon
from rasd_nnu.stats.units import unit_means

FloatArray = npt.NDArray[np.float64]
_DRAWS_AT_A_TIME = 2_000


@dataclass(frozen=True)
class BayesianSignedRank(Result):
    """Posterior probabilities of the Bayesian signed-rank test (Benavoli et al. 2014, 2017).

    Args:
        rope: Differences up to this count as practically equal.
        p_b_better: Probability that B is better by more than the rope.
        p_equal: Probability that the arms are practically equal.
        p_a_better: Probability that A is better by more than the rope.
    """

    rope: float
    p_b_better: float
    p_equal: float
    p_a_better: float


@dataclass(frozen=True)
class AcrossDatasets(Result):
    """Two arms over data sets; differences are A - B.

    Args:
        n_datasets: Data sets.
        test: Mean of the data sets' differences with interval: each data set counts the same.
        wilcoxon: Signed-rank test of the same differences.
        bayes: Bayesian signed-rank test with a region of practical equivalence.
        wins: Data sets where A is better by more than the rope.
        ties: Data sets where the arms are within the rope.
        losses: Data sets where B is better by more than the rope.
    """

    n_datasets: int
    test: MeanTest
    wilcoxon: SignedRankResult
    bayes: BayesianSignedRank
    wins: int
    ties: int
    losses: int


def across_datasets(differences: npt.ArrayLike, rope: float = 0.01, confidence: float = 0.95) -> AcrossDatasets:
    """Compare two arms over data sets.

    Args:
        differences: Mean difference of each data set, shape (k,), k >= 2.
        rope: Differences up to this count as practically equal; 0.01 is one Dice point.
        confidence: Nominal coverage of the interval.

    Raises:
        ValueError: If there are fewer than 2 data sets, or a difference is not finite.
    """
    units = unit_means(differences)
    return AcrossDatasets(
        n_datasets=units.size,
        test=mean_test(units, confidence=confidence),
        wilcoxon=paired_wilcoxon(units),
        bayes=bayesian_signed_rank(units, rope),
        wins=int((units > rope).sum()),
        ties=int((np.abs(units) <= rope).sum()),
        losses=int((units < -rope).sum()),
    )


def bayesian_signed_rank(
    differences: npt.ArrayLike, rope: float, prior: float = 0.5, n_draws: int = 50_000, seed: int = 0
) -> BayesianSignedRank:
    """Return the probabilities that B is better, that the arms are practically equal, and that A is better.

    The posterior is a Dirichlet process: the differences, and a prior difference of 0 with weight ``prior``, get
    Dirichlet weights w; a draw goes to the region with the largest share of the pairwise means, weighted by w_i * w_j.

    Args:
        differences: Mean difference of each data set, shape (k,).
        rope: Differences up to this count as practically equal, >= 0.
        prior: Weight of the prior difference of 0.
        n_draws: Number of posterior draws.
        seed: Seed of the draws.

    Raises:
        ValueError: If rope is negative or prior is not positive.
    """
    if rope < 0 or prior <= 0:
        raise ValueError(f"rope must not be negative and prior must be positive, got {rope} and {prior}")
    values = np.append(unit_means(differences), 0.0)
    sums = values[:, None] + values[None, :]
    above, below = (sums > 2 * rope).astype(float), (sums < -2 * rope).astype(float)
    concentration = np.append(np.ones(values.size - 1), prior)
    rng = np.random.default_rng(seed)
    votes = np.zeros(3)
    for start in range(0, n_draws, _DRAWS_AT_A_TIME):
        weights = rng.dirichlet(concentration, min(_DRAWS_AT_A_TIME, n_draws - start))
        right, left = (((weights @ region) * weights).sum(1) for region in (above, below))
        shares = np.stack([left, 1 - left - right, right])
        largest = np.isclose(shares, shares.max(0), rtol=0, atol=1e-12)
        votes += (largest / largest.sum(0)).sum(1)  # a tie is shared
    b_better, equal, a_better = (votes / n_draws).tolist()
    return BayesianSignedRank(rope, b_better, equal, a_better)
