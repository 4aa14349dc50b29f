"""Area under the ROC curve, average precision, and how they vary with the choice of patients."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def check_scores(labels: npt.ArrayLike, scores: npt.ArrayLike) -> tuple[BoolArray, FloatArray]:
    """Return labels, shape (n,), and scores, shape (m, n), after checking them.

    Raises:
        ValueError: If the shapes disagree, a score is not finite, a label is not 0 or 1, or one class is missing.
    """
    y, s = np.asarray(labels), np.atleast_2d(np.asarray(scores, dtype=np.float64))
    if y.ndim != 1 or s.ndim != 2 or s.shape[1] != y.size:
        raise ValueError(f"scores must be one a label, got shape {s.shape} for labels of shape {y.shape}")
    if not np.isfinite(s).all():
        raise ValueError("scores must be finite, got NaN or infinity")
    if not np.isin(y, (0, 1)).all():
        raise ValueError(f"labels must be 0 or 1, got {np.unique(y).tolist()[:5]}")
    if y.min() == y.max():
        raise ValueError(f"the AUC needs cases of both classes, got {y.size} of class {int(y[0])} alone")
    return y.astype(bool), s


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Return the area under the ROC curve (the Mann-Whitney statistic; a tie counts one half).

    Args:
        labels: 1 for positive, 0 for negative, shape (n,).
        scores: Score of each case, shape (n,); high means positive.

    Example:
        >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    y, s = check_scores(labels, scores)
    return float(placements(y, s)[0].mean())


def placements(positive: BoolArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the structural components of the AUC (DeLong 1988), by mid-ranks (Sun and Xu 2014).

    Args:
        positive: True for positive cases, shape (n,).
        scores: Scores of m readers or arms, shape (m, n).

    Returns:
        For each positive case the share of negatives that it beats, shape (m, positives), and for each negative case
        the share of positives that beat it, shape (m, negatives); the AUC is the mean of either.
    """
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    pooled = stats.rankdata(scores, axis=1)
    among_positives = stats.rankdata(scores[:, positive], axis=1)
    among_negatives = stats.rankdata(scores[:, ~positive], axis=1)
    beats = (pooled[:, positive] - among_positives) / n_negative
    beaten = 1 - (pooled[:, ~positive] - among_negatives) / n_positive
    return beats, beaten


def group_codes(groups: Sequence[Hashable] | None, n: int) -> npt.NDArray[np.intp]:
    """Return the number of each case's group, shape (n,), in order of first appearance.

    Raises:
        ValueError: If there is not one group a case.
    """
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise ValueError(f"groups must name one group a case, got {len(groups)} for {n}")
    number: dict[Hashable, int] = {}
    return np.array([number.setdefault(group, len(number)) for group in groups])


def weighted_auc(positive: BoolArray, scores: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the AUC of one score under many weightings of the cases (bootstrap counts).

    Args:
        positive: True for positive cases, shape (n,).
        scores: Shape (n,).
        weights: Shape (b, n); each row must give weight to both classes.

    Returns:
        Shape (b,).
    """
    order, starts = _tie_groups(scores)
    sorted_positive = positive[order]
    of_positives = np.add.reduceat(weights[:, order] * sorted_positive, starts, axis=1)
    of_negatives = np.add.reduceat(weights[:, order] * ~sorted_positive, starts, axis=1)
    below = np.cumsum(of_negatives, axis=1) - of_negatives / 2
    wins = (of_positives * below).sum(1)
    return np.asarray(wins / (of_positives.sum(1) * of_negatives.sum(1)))


def weighted_average_precision(positive: BoolArray, scores: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the average precision of one score under many weightings; as scikit-learn defines it.

    Args:
        positive: True for positive cases, shape (n,).
        scores: Shape (n,).
        weights: Shape (b, n); each row must give weight to a positive case.

    Returns:
        Shape (b,).
    """
    order, starts = _tie_groups(-scores)
    sorted_weights = weights[:, order]
    of_positives = np.add.reduceat(sorted_weights * positive[order], starts, axis=1)
    selected = np.cumsum(np.add.reduceat(sorted_weights, starts, axis=1), axis=1)
    found = np.cumsum(of_positives, axis=1)
    precision = np.divide(found, selected, out=np.zeros_like(found), where=selected > 0)
    return np.asarray((of_positives * precision).sum(1) / found[:, -1])


def _tie_groups(scores: FloatArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the ascending order of the scores and where in it a new value starts."""
    order = np.argsort(scores, kind="stable")
    return order, np.flatnonzero(np.diff(scores[order], prepend=-np.inf) > 0)
