from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rasd_nnu.compare.boxes import average_precision, iou, mean_iou
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
    assert iou([[0, 0, 2, 2]], [[1, 0, 3, 2]]) == pytest.approx(1 / 3)
    assert iou([[0, 0, 0, 2, 2, 2]], [[0, 0, 1, 2, 2, 3]]) == pytest.approx(1 / 3)
    assert iou([[0, 0, 2, 2]], [[2, 0, 3, 2]]) == pytest.approx(0)
    assert iou([], [[0, 0, 1, 1]]).shape == (0, 1)


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
        np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), np.ones((1, 3)), np.array([2.0])
    )
    assert found == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


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
    assert (collapsed.arm, collapsed.seed, collapsed.what) == ("scratch", 1, "any box")


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
