from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rasd_nnu.compare.boxes import average_precision, hits, mean_iou
from rasd_nnu.compare.detection import compare_detections
from rasd_nnu.errors import CompareError
from rasd_nnu.records import DetectionCase
from tests.compare.records import detection


def _case(true: list, boxes: list, scores: list) -> DetectionCase:
    return DetectionCase(
        case="c",
        group="c",
        boxes_true=tuple(map(tuple, true)),
        labels_true=(0,) * len(true),
        boxes=tuple(map(tuple, boxes)),
        scores=tuple(scores),
        labels=(0,) * len(boxes),
    )


def test_iou_in_two_and_three_dimensions() -> None:
    assert mean_iou(_case([[0, 0, 2, 2]], [[1, 0, 3, 2]], [0.5]), 0) == pytest.approx(1 / 3)
    assert mean_iou(_case([[0, 0, 0, 2, 2, 2]], [[0, 0, 1, 2, 2, 3]], [0.5]), 0) == pytest.approx(1 / 3)
    assert mean_iou(_case([[0, 0, 2, 2]], [[2, 0, 3, 2]], [0.5]), 0) == 0


def test_a_true_box_is_hit_once_and_by_the_best_score() -> None:
    near, nearly, far = [0, 0, 10, 10], [0, 0, 10, 8], [50, 50, 60, 60]
    found = hits(_case([near, far], [nearly, near, [90, 90, 91, 91]], [0.9, 0.8, 0.7]), 0, 0.5)
    assert found == ([0.9, 0.8, 0.7], [True, False, False])
    assert hits(_case([near], [nearly], [0.9]), 0, 0.9) == ([0.9], [False])
    assert hits(_case([], [near], [0.9]), 0, 0.5) == ([0.9], [False])
    assert hits(_case([near], [], []), 0, 0.5) == ([], [])
    assert hits(_case([], [], []), 0, 0.5) == ([], [])


def test_the_mean_iou_takes_as_many_boxes_as_there_are_true_ones() -> None:
    near, far = [0, 0, 10, 10], [50, 50, 60, 60]
    assert mean_iou(_case([near], [near, far], [0.9, 0.8]), 0) == 1
    assert mean_iou(_case([near], [near, far], [0.8, 0.9]), 0) == 0  # the best-scoring box is elsewhere
    assert mean_iou(_case([near, far], [far, near], [0.8, 0.9]), 0) == 1
    assert mean_iou(_case([near, far], [near], [0.8]), 0) == 0.5
    assert mean_iou(_case([near], [], []), 0) == 0
    assert np.isnan(mean_iou(_case([], [near], [0.8]), 0))


def test_average_precision_of_a_known_ranking() -> None:
    # hits at ranks 1 and 3 of 3, two true boxes: precision 1 up to recall 0.5, 2/3 up to 1
    found = average_precision(
        np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), np.zeros(3, int), np.ones((1, 1)), np.array([2.0])
    )
    assert found == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_average_precision_of_weighted_cases_is_that_of_repeated_ones() -> None:
    rng = np.random.default_rng(0)
    scores, hit, owner = rng.random(60), rng.random(60) < 0.4, rng.integers(0, 5, 60)
    weights, n_true = rng.integers(0, 3, (20, 5)).astype(float), np.bincount(owner[hit], minlength=5) + 1.0
    found = average_precision(scores, hit, owner, weights, n_true)
    for own, value in zip(weights, found, strict=True):
        boxes = [i for i in np.argsort(-scores) for _ in range(int(own[owner[i]]))]
        # Boxes of one case and one score come together: the curve is read behind the last of them.
        last = [k for k in range(len(boxes)) if k + 1 == len(boxes) or boxes[k + 1] != boxes[k]]
        right = np.cumsum(hit[boxes])
        points = [(right[k] / (own @ n_true), right[k] / (k + 1)) for k in last]
        area, before = 0.0, 0.0
        for k, (recall, _) in enumerate(points):
            area, before = area + (recall - before) * max(p for _, p in points[k:]), recall
        assert value == pytest.approx(area)
    assert np.isnan(average_precision(scores[:0], hit[:0], owner[:0], np.ones((1, 5)), np.zeros(5)))


def test_two_arms(tmp_path: Path) -> None:
    a, b = detection(tmp_path / "a.json", 0.5, 1), detection(tmp_path / "b.json", 3.0, 2)
    found = compare_detections(a, b, names=("rasd", "scratch"))
    assert (found.kind, found.overall.n_cases, len(found.rows)) == ("detection", 11, 12)
    assert found.overall.difference > 0.1
    assert np.isnan(found.rows[-1].a)  # no true box
    assert set(found.others) == {"AP at IoU 0.1", "AP at IoU 0.5"}
    assert found.others["AP at IoU 0.5"].mean_a > found.others["AP at IoU 0.5"].mean_b


def test_seeds_are_crossed_and_no_box_at_all_is_a_collapse(tmp_path: Path) -> None:
    a = {s: [detection(tmp_path / f"a{s}.json", 0.5, s)] for s in (0, 1)}
    b = {s: [detection(tmp_path / f"b{s}.json", 0.8, s + 5, boxes=s == 0)] for s in (0, 1)}
    found = compare_detections(a, b, names=("rasd", "scratch"))
    assert (found.overall.method, found.others["AP at IoU 0.5"].method) == ("crossed", "crossed")
    (collapsed,) = found.collapsed
    assert (collapsed.arm, collapsed.seed, collapsed.what) == ("scratch", 1, "no box found")


def test_another_truth_is_refused(tmp_path: Path) -> None:
    a, b = detection(tmp_path / "a.json", 0.5, 1), detection(tmp_path / "b.json", 3.0, 2)
    content = json.loads(b.read_text())
    content["cases"][3]["boxes_true"][0][0] = 9.0
    b.write_text(json.dumps(content))
    with pytest.raises(CompareError, match="the true boxes, .* of case 'c003' differ in A and B"):
        compare_detections(a, b)
    content["classes"] = ["cyst"]
    b.write_text(json.dumps(content))
    with pytest.raises(CompareError, match="the classes differ: mass, but cyst in"):
        compare_detections(a, b)
