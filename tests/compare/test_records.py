from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.compare.records import LabelCounts, case_name, read_summary
from rasd_nnu.errors import CompareError

Write = Callable[..., Path]


def test_reads_counts_of_every_case_and_label(write_summary: Write) -> None:
    path = write_summary("s.json", {"c1": {"1": 0.8, "(1, 2)": 0.5}, "c2": {"1": 0.6, "(1, 2)": 1.0}})
    records = read_summary(path)
    assert records["c1"] == {"1": LabelCounts(800, 200, 200), "(1, 2)": LabelCounts(500, 500, 500)}
    assert records["c2"]["(1, 2)"].dice == 1.0


def test_bare_nan_of_nnunet_is_read_and_dice_follows_from_counts(write_summary: Write) -> None:
    path = write_summary("s.json", {"c1": None, "c2": 0.25})
    assert "NaN" in path.read_text()
    records = read_summary(path)
    assert math.isnan(records["c1"]["1"].dice)
    assert records["c1"]["1"].in_reference == 0
    assert records["c2"]["1"].dice == 0.25


def test_background_is_left_out(write_summary: Write) -> None:
    assert list(read_summary(write_summary("s.json", {"c1": {"0": 1.0, "1": 0.5}}))["c1"]) == ["1"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("/gt/case_1.nii.gz", "case_1"),
        ("gt\\case.7.nii.gz", "case.7"),
        ("x/im.png", "im"),
        ("a.b.nrrd", "a.b"),
    ],
)
def test_case_is_the_file_name_without_its_ending(file: str, name: str) -> None:
    assert case_name(file) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "has no list 'metric_per_case'"),
        ('{"labels": {}}', "has no list 'metric_per_case'"),
        ('{"metric_per_case": []}', "has no cases"),
        ('{"metric_per_case": [{"metrics": {}}]}', "no usable entry"),
        ('{"metric_per_case": [5]}', "no usable entry"),
        ('{"metric_per_case": [{"reference_file": "a.png", "metrics": {"1": {"Dice": 1}}}]}', "'TP'"),
        ('{"metric_per_case": [{"reference_file": "a.png", "metrics": {"0": {}}}]}', "no foreground label"),
    ],
)
def test_what_is_no_summary_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(CompareError, match=message) as error:
        read_summary(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("count", [math.nan, -1, 0.5, "many"])
def test_impossible_counts_are_refused(write_summary: Write, count: Any) -> None:
    path = write_summary("s.json", {"c1": {"1": {"TP": count, "FP": 0, "FN": 1}}})
    with pytest.raises(CompareError, match="no usable entry"):
        read_summary(path)


def test_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CompareError, match="No such file"):
        read_summary(tmp_path / "none.json")
    (tmp_path / "x.pth").write_bytes(b"\x80\x04\xff\x00")
    with pytest.raises(CompareError, match="cannot read"):
        read_summary(tmp_path / "x.pth")


def test_a_case_twice_is_refused(write_summary: Write) -> None:
    path = write_summary("s.json", {"c1": 0.5})
    content = json.loads(path.read_text())
    path.write_text(json.dumps({"metric_per_case": content["metric_per_case"] * 2}))
    with pytest.raises(CompareError, match="case 'c1' twice"):
        read_summary(path)


def test_cases_with_other_labels_are_refused(write_summary: Write) -> None:
    path = write_summary("s.json", {"c1": {"1": 0.5}, "c2": {"1": 0.5, "2": 0.5}})
    with pytest.raises(CompareError, match="case 'c2' has labels 1, 2, but case 'c1' has 1"):
        read_summary(path)
