"""Boxes: overlap, matching, average precision."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import optimize

from rasd_nnu.records import DetectionCase

FloatArray = npt.NDArray[np.float64]


def iou(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Return the intersection over union of each pair of boxes.

    Args:
        a: Shape (m, 4) or (m, 6): lower corner, upper corner.
        b: Shape (n, 4) or (n, 6).

    Returns:
        Shape (m, n).
    """
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if not first.size or not second.size:
        return np.zeros((len(first), len(second)))
    d = first.shape[1] // 2
    low = np.maximum(first[:, None, :d], second[None, :, :d])
    high = np.minimum(first[:, None, d:], second[None, :, d:])
    shared = np.maximum(high - low, 0).prod(-1)
    sizes = [(boxes[:, d:] - boxes[:, :d]).prod(1) for boxes in (first, second)]
    return np.asarray(shared / (sizes[0][:, None] + sizes[1][None, :] - shared))


def mean_iou(case: DetectionCase, label: int) -> float:
    """Return the mean IoU over the true boxes of a class.

    As many predicted boxes as there are true ones, those with the highest scores, are matched one to one so that the
    sum is largest; a true box without a partner counts 0. With one true box it is the IoU of the best-scoring box.

    Returns:
        NaN where the case has no true box of the class.
    """
    true = [box for box, own in zip(case.boxes_true, case.labels_true, strict=True) if own == label]
    if not true:
        return float("nan")
    own = [i for i, found in enumerate(case.labels) if found == label]
    best = sorted(own, key=lambda i: -case.scores[i])[: len(true)]
    overlap = iou(true, [case.boxes[i] for i in best])
    rows, columns = optimize.linear_sum_assignment(overlap, maximize=True)
    return float(overlap[rows, columns].sum() / len(true))


def hits(case: DetectionCase, label: int, threshold: float) -> tuple[list[float], list[bool]]:
    """Return score and whether it is a hit of each predicted box of a class, the best score first.

    A box hits the true box that it overlaps most among those that no better box has hit, if the IoU is at least the
    threshold; any further box on it is a false positive.
    """
    true = [box for box, own in zip(case.boxes_true, case.labels_true, strict=True) if own == label]
    own = sorted((i for i, found in enumerate(case.labels) if found == label), key=lambda i: -case.scores[i])
    overlap = iou([case.boxes[i] for i in own], true)
    taken: set[int] = set()
    found = []
    for row in overlap:
        free = [j for j in range(len(true)) if j not in taken and row[j] >= threshold]
        if free:
            taken.add(max(free, key=lambda j: row[j]))
        found.append(bool(free))
    return [case.scores[i] for i in own], found


def average_precision(
    scores: FloatArray, hit: npt.NDArray[np.bool_], weights: FloatArray, n_true: FloatArray
) -> FloatArray:
    """Return the area under the precision-recall curve, made non-increasing, for many weightings.

    Args:
        scores: Score of each predicted box, shape (d,).
        hit: Whether it is a hit, shape (d,).
        weights: Weight of each box's case, shape (b, d).
        n_true: Weighted number of true boxes, shape (b,).

    Returns:
        Shape (b,); NaN where there is no true box.
    """
    order = np.argsort(-scores, kind="stable")
    of_hits = np.cumsum(weights[:, order] * hit[order], axis=1)
    selected = np.cumsum(weights[:, order], axis=1)
    precision = np.divide(of_hits, selected, out=np.zeros_like(of_hits), where=selected > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    gained = np.diff(of_hits, axis=1, prepend=0.0)
    with np.errstate(invalid="ignore"):
        return np.asarray((gained * envelope).sum(1) / np.where(n_true > 0, n_true, np.nan))
