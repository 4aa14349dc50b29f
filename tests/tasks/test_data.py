"""What prepared data sets of classification and of detection share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rasd_nnu.errors import DatasetError
from rasd_nnu.tasks.classification import data as classification
from rasd_nnu.tasks.data import draw_labelled, read_folder
from rasd_nnu.tasks.detection import data as detection


def _folder(path: Path, cases: str, splits: object) -> Path:
    (path / "dataset.json").write_text("{}")
    (path / "cases.csv").write_bytes(cases.encode("utf-8", "surrogateescape"))
    (path / "splits_final.json").write_text(json.dumps(splits))
    return path


def test_labelled_cases_are_nested_and_come_patient_by_patient() -> None:
    boxes = [(), (0,), (0, 1), (0,), (), (0, 1), (0,), (), (0,), ()]
    cases = [
        detection.Case(f"{i}{side}", f"p{i}", "train", (9, 9), ((0.0, 0.0, 1.0, 1.0),) * len(own), own)
        for i, own in enumerate(boxes)
        for side in "ab"
    ]
    draws = {n: draw_labelled(cases, n, 3, detection.kind_of) for n in range(2, 21, 2)}
    for n, drawn in draws.items():
        assert len({case.name for case in drawn}) == n
        assert drawn == draws[20][:n]
        assert len({case.group for case in drawn}) == n // 2
    # The patients with the most classes come first, then the others in turn.
    assert [case.labels for case in draws[6][::2]] == [(0, 1), (0,), ()]
    assert draw_labelled(cases, 20, 4, detection.kind_of) != draws[20]
    assert draw_labelled(cases, None, 3, detection.kind_of) == cases
    with pytest.raises(DatasetError, match="21 labelled cases are asked for, but the fold has 20"):
        draw_labelled(cases, 21, 3, detection.kind_of)


def test_labelled_cases_of_a_classification_take_turns() -> None:
    cases = [classification.Case(str(i), str(i), "train", (int(i > 7),)) for i in range(10)]
    drawn = draw_labelled(cases, 4, 0, classification.kind_of)
    assert [case.truth for case in drawn] == [(0,), (1,), (0,), (1,)]


@pytest.mark.parametrize(
    ("cases", "splits", "said"),
    [
        ("case,group,split\na,a,train\na,a,test\n", [], "cases.csv has case 'a' twice"),
        ("case,split\na,train\n", [], "has a row without 'group'"),
        ("case,group,split\na,,train\n", [], "has a row without 'group'"),
        ("case,group,split\n\udcff,a,train\n", [], "cannot read .*cases.csv"),
        ("case,group,split\na,a,train\n", {}, "is no list of folds"),
        ("case,group,split\na,a,train\n", [{"train": ["a"]}], "is no list of folds .* 0.val"),
        ("case,group,split\na,a,train\n", [{"train": [1], "val": []}], "is no list of folds .* 0.train.0"),
    ],
)
def test_malformed_tables_are_one_line(tmp_path: Path, cases: str, splits: object, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        read_folder(_folder(tmp_path, cases, splits))
