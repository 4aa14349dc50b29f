"""Writers of small classification and detection records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rasd_nnu.records import ClassificationCase, DetectionCase, Predictions, write_detections, write_predictions


def classification(
    path: Path, quality: float, seed: int, classes: Sequence[str] = ("no", "yes"), n: int = 40, per_group: int = 1
) -> Path:
    """Write predictions of ``n`` cases whose truth is the case number modulo the classes."""
    rng = np.random.default_rng(seed)
    cases = []
    for i in range(n):
        logits = rng.normal(size=len(classes))
        logits[i % len(classes)] += quality
        p = np.exp(logits) / np.exp(logits).sum()
        labels = {name: int(k == i % len(classes)) for k, name in enumerate(classes)}
        cases.append(
            ClassificationCase(
                case=f"c{i:03d}",
                group=f"p{i // (per_group * len(classes)) if per_group > 1 else i}",
                fold=0,
                labels=labels,
                probabilities=dict(zip(classes, p.tolist(), strict=True)),
            )
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_predictions(path, Predictions(tuple(classes), False, tuple(cases)))
    return path


def detection(path: Path, shift: float, seed: int, n: int = 12, boxes: bool = True) -> Path:
    """Write detections: one true box of 10 x 10 in each case but the last, found with an error of about ``shift``."""
    rng = np.random.default_rng(seed)
    cases = []
    for i in range(n):
        true = [(10.0, 10.0, 20.0, 20.0)] if i < n - 1 else []
        dx, dy = rng.normal(0, shift, 2)
        found = [(10.0 + dx, 10.0 + dy, 20.0 + dx, 20.0 + dy), (40.0, 40.0, 45.0, 45.0)] if boxes else []
        cases.append(
            DetectionCase(
                case=f"c{i:03d}",
                group=f"c{i:03d}",
                fold=0,
                boxes_true=tuple(true),
                labels_true=(0,) * len(true),
                boxes=tuple(found),
                scores=(0.9, 0.3)[: len(found)],
                labels=(0,) * len(found),
            )
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_detections(path, ["mass"], cases)
    return path
