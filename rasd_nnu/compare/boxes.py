"""Boxes: MONAI's overlap and matching, and average precision of weighted cases."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize

from rasd_nnu.errors import SetupError
from rasd_nnu.records import DetectionCase

FloatArray = npt.NDArray[np.float64]


def require_monai() -> None:
    """Check that MONAI is installed.

    Raises:
        SetupError: If it is not.
    """
    if importlib.util.find_spec("monai") is None:
        raise SetupError("scores of boxes need monai. Fix it with: pip install 'rasd-nnu[monai]'")


def mean_iou(case: DetectionCase, label: int) -> float:
    """Return the mean IoU over the true boxes of a class.

    As many predicted boxes as there are true ones, those with the highest scores, are matched one to one so that the
    sum is largest; a true box without a partner counts 0. With one true box it is the IoU of the best-scoring box.

    Returns:
        NaN where the case has no true box of the class.
    """
    from monai.data.box_utils import box_iou

    true = [box for box, own in zip(case.boxes_true, case.labels_true, strict=True) if own == label]
    own = [i for i, found in enumerate(case.labels) if found == label]
    if not true or not own:
        return 0.0 if true else float("nan")
    best = sorted(own, key=lambda i: -case.scores[i])[: len(true)]
    overlap = box_iou(np.array(true, float), np.array([case.boxes[i] for i in best], float))
    rows, columns = optimize.linear_sum_assignment(overlap, maximize=True)
    return float(overlap[rows, columns].sum() / len(true))


def hits(case: DetectionCase, label: int, threshold: float) -> tuple[list[float], list[bool]]:
    """Return score and whether it is a hit of each predicted box of a class, the best score first.

    A box hits the true box that it overlaps most among those that no better box has hit, if the IoU is at least the
    threshold; any further box on it is a false positive.
    """
    from monai.apps.detection.metrics.matching import matching_batch
    from monai.data import box_utils

    overlap: Any = box_utils.box_iou
    predicted = _of_class(case.boxes, case.labels, label), _of_class(case.scores, case.labels, label)
    true = _of_class(case.boxes_true, case.labels_true, label)
    classes = np.zeros(len(predicted[0]), int), np.zeros(len(true), int)
    matched = matching_batch(
        overlap,
        [threshold],
        [predicted[0]],
        [classes[0]],
        [predicted[1]],
        [true],
        [classes[1]],
        max_detections=max(1, len(predicted[0])),
    )[0]
    if 0 not in matched:
        return [], []
    return matched[0]["dtScores"].tolist(), (matched[0]["dtMatches"][0] > 0).tolist()


def _of_class(values: Sequence[Any], labels: Sequence[int], label: int) -> FloatArray:
    return np.array([value for value, own in zip(values, labels, strict=True) if own == label], float)


def average_precision(
    scores: FloatArray,
    hit: npt.NDArray[np.bool_],
    owner: npt.NDArray[np.intp],
    weights: FloatArray,
    n_true: FloatArray,
) -> FloatArray:
    """Return the area under the precision-recall curve, made non-increasing, for many weightings of the cases.

    The curve is computed at the hits alone: between two of them precision only falls.

    Args:
        scores: Score of each predicted box, shape (d,).
        hit: Whether it is a hit, shape (d,).
        owner: Number of its case, shape (d,).
        weights: Weight of each case, shape (b, cases).
        n_true: True boxes of each case, shape (cases,).

    Returns:
        Shape (b,); NaN where there is no true box.
    """
    order = np.argsort(-scores, kind="stable")
    ranks, owner = np.flatnonzero(hit[order]), owner[order]
    counts = np.zeros((len(ranks) + 1, weights.shape[1]))  # of the boxes since the hit before, by case
    np.add.at(counts, (np.searchsorted(ranks, np.arange(len(owner))), owner), 1)
    of_hits = np.cumsum(weights[:, owner[ranks]], axis=1)
    selected = weights @ np.cumsum(counts[:-1], axis=0).T
    precision = np.divide(of_hits, selected, out=np.zeros_like(of_hits), where=selected > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    gained, total = np.diff(of_hits, axis=1, prepend=0.0), weights @ n_true
    with np.errstate(invalid="ignore"):
        return np.asarray((gained * envelope).sum(1) / np.where(total > 0, total, np.nan))
