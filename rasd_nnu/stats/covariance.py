"""Covariance of several scores, such as those of each seed in each arm, that are measured on the same patients.

This is what the patients contribute to the variance of a crossed comparison (`crossed.obuchowski_rockette`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from rasd_nnu.stats.auc import BoolArray, check_scores, group_codes, placements

FloatArray = npt.NDArray[np.float64]


def mean_covariance(values: npt.ArrayLike) -> FloatArray:
    """Return the covariance of means over independent patients, shape (m, m); the jackknife gives the same.

    Args:
        values: One value a score and patient, shape (m, n), n >= 2.
    """
    array = np.atleast_2d(np.asarray(values, dtype=np.float64))
    return np.atleast_2d(np.cov(array)) / array.shape[1]


def auc_jackknife(
    labels: npt.ArrayLike, scores: npt.ArrayLike, groups: Sequence[Hashable] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the AUC of m scores and their jackknife covariance, leaving out one patient at a time.

    Args:
        labels: 1 for positive, 0 for negative, shape (n,).
        scores: Shape (m, n).
        groups: Patient of each case; None: every case is a patient.

    Returns:
        AUCs, shape (m,), and covariance, shape (m, m).

    Raises:
        ValueError: If the input is malformed, or a class would vanish with one patient.
    """
    positive, s = check_scores(labels, scores)
    code = group_codes(groups, positive.size)
    n_groups = int(code.max()) + 1
    n_positive = np.bincount(code, positive, n_groups)
    n_negative = np.bincount(code, ~positive, n_groups)
    left = (positive.sum() - n_positive) * ((~positive).sum() - n_negative)
    if (left == 0).any():
        raise ValueError("all cases of one class belong to one patient: the jackknife needs two patients of each class")
    beats, beaten = placements(positive, s)
    wins = beats.sum(1) * (~positive).sum()
    lost = np.zeros((s.shape[0], n_groups))
    np.add.at(lost.T, code[positive], beats.T * (~positive).sum())
    np.add.at(lost.T, code[~positive], beaten.T * positive.sum())
    within = _wins_within(positive, s, code, n_groups)
    reduced = (wins[:, None] - lost + within) / left
    centred = reduced - reduced.mean(1, keepdims=True)
    return beats.mean(1), (n_groups - 1) / n_groups * (centred @ centred.T)


def auc_delong(
    labels: npt.ArrayLike, scores: npt.ArrayLike, groups: Sequence[Hashable] | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return the AUC of m scores and their covariance after DeLong (1988), with groups after Obuchowski (1997).

    Args:
        labels: 1 for positive, 0 for negative, shape (n,).
        scores: Shape (m, n).
        groups: Patient of each case, who may have cases of both classes; None: every case is a patient.

    Returns:
        AUCs, shape (m,), and covariance, shape (m, m).

    Raises:
        ValueError: If the input is malformed, or a class has fewer than 2 patients.
    """
    positive, s = check_scores(labels, scores)
    code = group_codes(groups, positive.size)
    n_groups = int(code.max()) + 1
    beats, beaten = placements(positive, s)
    area = beats.mean(1)
    sums = []
    for values, members in ((beats, code[positive]), (beaten, code[~positive])):
        patients = np.unique(members).size
        if patients < 2:
            raise ValueError("DeLong's variance needs at least 2 patients of each class")
        total = np.zeros((s.shape[0], n_groups))
        np.add.at(total.T, members, (values - area[:, None]).T)
        sums.append((total / members.size, patients / (patients - 1)))
    (u, factor_u), (v, factor_v) = sums
    cross = n_groups / (n_groups - 1) * (u @ v.T)
    return area, factor_u * (u @ u.T) + factor_v * (v @ v.T) + cross + cross.T


def _wins_within(positive: BoolArray, scores: FloatArray, code: npt.NDArray[np.intp], n_groups: int) -> FloatArray:
    """Return, for each score and patient, the wins of positive over negative cases of this same patient."""
    within = np.zeros((scores.shape[0], n_groups))
    for group in np.intersect1d(code[positive], code[~positive]):
        up = scores[:, positive & (code == group)][:, :, None]
        down = scores[:, ~positive & (code == group)][:, None, :]
        within[:, group] = ((up > down) + 0.5 * (up == down)).sum((1, 2))
    return within
