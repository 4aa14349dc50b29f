from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.errors import CompareError
from rasd_nnu.records import DetectionCase, read_detections, write_detections

CASE: dict[str, Any] = {
    "case": "c1",
    "group": "p1",
    "fold": 0,
    "boxes_true": [[2, 2, 5, 6]],
    "labels_true": [0],
    "boxes": [[2, 2.5, 5, 6]],
    "scores": [0.9],
    "labels": [0],
}


def _read(tmp_path: Path, content: Any) -> Any:
    path = tmp_path / "detections.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_detections(path)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    cases = [DetectionCase(**CASE), DetectionCase(**{**CASE, "case": "c2", "boxes": [], "scores": [], "labels": []})]
    write_detections(tmp_path / "d.json", ["mass"], cases)
    read = read_detections(tmp_path / "d.json")
    assert list(read.cases) == cases
    assert (read.version, read.classes) == (1, ("mass",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": [[5, 2, 2, 6]]}, "has the box [5.0, 2.0, 2.0, 6.0], expected lower corner"),
        ({"boxes": [[2, 2, 5]]}, "cases.0.boxes.0"),
        ({"boxes": [[0, 0, 0, 1, 1, 1]]}, "some boxes have 4 numbers and some 6"),
        ({"scores": [1.5]}, "has the score 1.5, expected 0 to 1"),
        ({"scores": []}, "has 1 boxes, 0 scores, 1 labels"),
        ({"labels": [1]}, "has the label 1, expected 0 to 0"),
        ({"labels_true": []}, "has 1 true boxes, 0 labels"),
        ({"group": ""}, "cases.0.group"),
        ({"extra": 1}, "cases.0.extra"),
    ],
)
def test_bad_cases_are_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(CompareError) as error:
        _read(tmp_path, {"version": 1, "classes": ["mass"], "cases": [{**CASE, **change}]})
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty, expected a detections.json"),
        ("{", "is not valid JSON"),
        ([], "holds a list"),
        ({"classes": ["a"], "cases": []}, "cases: "),
        ({"version": 2, "classes": ["a"], "cases": [CASE]}, "version: "),
        ({"classes": ["a"], "cases": [CASE, CASE]}, "case 'c1' is there twice"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(CompareError) as error:
        _read(tmp_path, content)
    assert message in str(error.value)
