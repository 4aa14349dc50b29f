"""Scores of a classification from its per-case records."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from rasd_nnu.records.classification import Predictions

#: Bins of the calibration error.
BINS = 10


def scores(predictions: Predictions, thresholds: dict[str, float] | None = None) -> dict[str, float | None]:
    """Return macro AUC (one-vs-rest) and average precision, Brier score, calibration error and accuracy.

    A class whose cases are all positive or all negative has no AUC, and one of which nothing is known no score at all:
    they are left out of the mean; if none is left the value is None.

    Args:
        predictions: The records.
        thresholds: Class -> threshold of its probability, fixed without these cases; 0.5 by default. With exactly one
            class a case and more than two classes the most probable one counts.
    """
    aucs, precisions, briers, errors, hits = [], [], [], [], []
    for name in predictions.classes:
        known = [c for c in predictions.cases if c.labels[name] is not None]
        truth = np.array([c.labels[name] for c in known], float)
        found = np.array([c.probabilities[name] for c in known])
        if not known:
            continue
        if 0 < truth.sum() < len(truth):
            aucs.append(float(roc_auc_score(truth, found)))
            precisions.append(float(average_precision_score(truth, found)))
        briers.append(float(np.mean((found - truth) ** 2)))
        errors.append(calibration_error(truth, found))
        hits.append(float(np.mean((found >= (thresholds or {}).get(name, 0.5)) == truth)))
    if not predictions.multilabel and len(predictions.classes) > 2:
        best = [max(c.probabilities, key=c.probabilities.__getitem__) for c in predictions.cases]
        hits = [float(np.mean([bool(c.labels[b]) for c, b in zip(predictions.cases, best, strict=True)]))]
    elif not predictions.multilabel:
        aucs, precisions, hits = aucs[-1:], precisions[-1:], hits[-1:]  # of two classes the last is the positive one
    return {
        "auc": float(np.mean(aucs)) if aucs else None,
        "average_precision": float(np.mean(precisions)) if precisions else None,
        "brier": float(np.mean(briers)) if briers else None,
        "calibration_error": float(np.mean(errors)) if errors else None,
        "accuracy": float(np.mean(hits)) if hits else None,
    }


def calibration_error(truth: np.ndarray, found: np.ndarray) -> float:
    """Return the mean distance of predicted to observed frequency over equally wide bins, weighted by their cases."""
    bins = np.minimum((found * BINS).astype(int), BINS - 1)
    total = sum(abs(float(found[bins == b].sum() - truth[bins == b].sum())) for b in np.unique(bins))
    return total / len(truth)


def best_threshold(truth: np.ndarray, found: np.ndarray) -> float:
    """Return the threshold with the largest balanced accuracy (Youden's J); 0.5 where there is one class only."""
    if not 0 < truth.sum() < len(truth):
        return 0.5
    candidates = np.unique(found)
    edges = np.concatenate([candidates[:1], (candidates[1:] + candidates[:-1]) / 2])
    values = [(found[truth == 1] >= t).mean() + (found[truth == 0] < t).mean() for t in edges]
    return float(edges[int(np.argmax(values))])
