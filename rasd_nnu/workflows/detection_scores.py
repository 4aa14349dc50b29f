"""Scores of a detection from its per-case records, by the same functions as `rasd_nnu compare`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from monai.metrics.froc import compute_froc_curve_data, compute_froc_score

from rasd_nnu.compare.boxes import average_precision, hits, mean_iou
from rasd_nnu.records.detection import DetectionCase

#: Overlaps from which on a box is a hit.
THRESHOLDS = (0.1, 0.5)
#: False positives an image at which the sensitivity is read (LUNA16's), with hits at the first of `THRESHOLDS`.
FALSE_POSITIVES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def detection_scores(cases: Sequence[DetectionCase], classes: Sequence[str]) -> dict[str, Any]:
    """Return for each class, and as a mean over the classes, IoU, average precision and FROC.

    ``iou`` is the mean over the images that have a true box of `compare.boxes.mean_iou`: as many predicted boxes as
    true ones, those with the best scores, against the true ones; an image without a predicted box counts 0. ``froc`` is
    the mean sensitivity at `FALSE_POSITIVES`. A class without a true box has no scores and is left out of the mean.

    Args:
        cases: The records.
        classes: Names of the classes.
    """
    found = {name: _of_class(cases, label) for label, name in enumerate(classes)}
    known = [scores for scores in found.values() if scores is not None]
    mean = {key: float(np.mean([scores[key] for scores in known])) for key in known[0]} if known else {}
    return {**mean, "classes": found}


def _of_class(cases: Sequence[DetectionCase], label: int) -> dict[str, float] | None:
    number = sum(case.labels_true.count(label) for case in cases)
    if not number:
        return None
    overlaps = np.array([mean_iou(case, label) for case in cases])
    result = {"iou": float(np.nanmean(overlaps))}
    for threshold in THRESHOLDS:
        scores, hit = _pooled(cases, label, threshold)
        one = np.ones((1, 1))  # all cases as one
        precision = average_precision(scores, hit, np.zeros(len(scores), int), one, np.array([float(number)]))
        result[f"ap_{threshold:g}"] = float(precision[0])
    scores, hit = _pooled(cases, label, THRESHOLDS[0])
    # The curve leaves out its lowest score, here one below all of the boxes.
    below = np.append(scores[~hit], -1.0)
    curve = compute_froc_curve_data(below, scores[hit], number, len(cases))
    return {**result, "froc": float(compute_froc_score(*curve, eval_thresholds=FALSE_POSITIVES))}


def _pooled(cases: Sequence[DetectionCase], label: int, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return score and whether it is a hit of each predicted box of a class."""
    pairs = [hits(case, label, threshold) for case in cases]
    return (
        np.array([s for scores, _ in pairs for s in scores]),
        np.array([h for _, of_case in pairs for h in of_case], dtype=bool),
    )
