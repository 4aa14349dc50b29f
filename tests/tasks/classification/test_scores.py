from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from rasd_nnu.records.classification import ClassificationCase, Predictions
from rasd_nnu.tasks.classification.scores import best_threshold, calibration_error, scores

CLASSES = ("a", "b", "c")


def _one_of(truth: list[int], found: np.ndarray, classes: tuple[str, ...]) -> Predictions:
    cases = [
        ClassificationCase(
            case=f"case_{i}",
            group=f"case_{i}",
            labels={name: int(k == t) for k, name in enumerate(classes)},  # type: ignore[misc]
            probabilities=dict(zip(classes, map(float, row), strict=True)),
        )
        for i, (t, row) in enumerate(zip(truth, found, strict=True))
    ]
    return Predictions(classes, False, tuple(cases))


def test_macro_auc_is_one_versus_rest() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 40)
    found = generator.dirichlet([1, 1, 1], 40)
    result = scores(_one_of(truth.tolist(), found, CLASSES))
    assert result["auc"] == pytest.approx(roc_auc_score(truth, found, multi_class="ovr", average="macro"))
    assert result["accuracy"] == pytest.approx(float((found.argmax(1) == truth).mean()))


def test_of_two_classes_the_last_is_positive_and_the_threshold_counts() -> None:
    found = np.array([[0.9, 0.1], [0.7, 0.3], [0.65, 0.35], [0.2, 0.8]])
    predictions = _one_of([0, 0, 1, 1], found, ("healthy", "ill"))
    assert scores(predictions)["accuracy"] == 0.75
    result = scores(predictions, {"ill": 0.33})
    assert (result["auc"], result["accuracy"]) == (1.0, 1.0)
    assert result["brier"] == pytest.approx(float(np.mean((found[:, 1] - [0, 0, 1, 1]) ** 2)))


def test_one_class_only_has_no_auc() -> None:
    assert scores(_one_of([1, 1], np.full((2, 2), 0.5), ("a", "b")))["auc"] is None


def test_calibration_error_by_hand() -> None:
    truth, found = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.62, 0.68, 0.91, 0.99])
    assert calibration_error(truth, found) == pytest.approx((abs(1.3 - 1) + abs(1.9 - 2)) / 4)


def test_threshold_separates_where_it_can() -> None:
    truth, found = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.25, 0.9])
    assert 0.2 < best_threshold(truth, found) < 0.25
    assert best_threshold(np.ones(3), found[:3]) == 0.5
