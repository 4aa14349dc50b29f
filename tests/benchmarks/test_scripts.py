"""Scripts that make evidence of records: which pairs they draw, and what they hand to `compare`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rasd_nnu.compare.records import read_summary
from rasd_nnu.records import DetectionCase

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def scripts() -> Iterator[dict[str, Any]]:
    sys.path.insert(0, str(BENCHMARKS))
    before = set(sys.modules)
    import detection
    import detection_table
    import registration
    import registration_table
    import screen_study

    yield {
        "registration": registration,
        "table": registration_table,
        "study": screen_study,
        "detection": detection,
        "boxes": detection_table,
    }
    sys.path.remove(str(BENCHMARKS))
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_no_patient_is_in_two_pairs(scripts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "imagesTr").mkdir()
    for i in range(130):
        (tmp_path / "imagesTr" / f"hippocampus_{i:03d}.nii.gz").touch()
    (tmp_path / "imagesTr" / "._hippocampus_001.nii.gz").touch()
    tuning, judged = scripts["registration"].draw_pairs(tmp_path)
    cases = [case for pair in (*tuning, *judged) for case in pair]
    assert len(cases) == len(set(cases)) == 2 * (8 + 45)
    assert scripts["registration"].draw_pairs(tmp_path) == (tuning, judged)


def test_the_table_is_of_the_rows(scripts: dict[str, Any]) -> None:
    better = [{"dice": {"1": 0.8 + i / 100, "2": 0.6 + i / 100}} for i in range(12)]
    worse = [{"dice": {"1": 0.7 + i / 100, "2": 0.6 + (i % 2) / 50 + i / 100}} for i in range(12)]
    lines = scripts["table"].differences_table({"mind": better, "start": worse}, [("mind", "start")])
    assert lines[2].startswith("| MIND-SSC against centres together, no registration | +4.5 | ")


def test_recorded_trainings_become_summaries(scripts: dict[str, Any], tmp_path: Path, monkeypatch: Any) -> None:
    row = {"task": "t", "labelled": 5, "inner": None, "recipe": {"steps": 10}}
    patients = {"p1": [0.5, 0.0], "p2": [0.123, None]}
    found = [{**row, "name": arm, "seed": seed, "patients": patients} for arm in "ab" for seed in (0, 1)]
    found += [{**row, "name": "a", "seed": 2, "patients": patients}]  # b has no seed 2
    found += [{**row, "name": "a", "seed": 0, "patients": {}, "inner": [1, 2]}]
    found[0] = {**found[0], "patients": {**patients, "p2": [0.123, 0.0]}}  # found where it is not
    found += [{**other, "labelled": 20} for other in found[:4]]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, found)))
    monkeypatch.setattr(scripts["study"], "RECORDS", tmp_path)
    records = scripts["study"].write_study(tmp_path / "out", ["t"], ["a", "b"], labelled=5, steps=10)
    assert [(unit.arm, unit.seed) for unit in records.units] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    false = read_summary(tmp_path / "out" / records.units[0].path)["p2"]["2"]
    assert false.dice == 0 and not false.in_reference
    read = read_summary(tmp_path / "out" / records.units[1].path)
    assert [read[case][label].dice for case, label in (("p1", "1"), ("p1", "2"), ("p2", "1"))] == [0.5, 0.0, 0.123]
    assert math.isnan(read["p2"]["2"].dice) and not read["p2"]["2"].in_reference


def test_components_of_a_segmentation_become_boxes(scripts: dict[str, Any], tmp_path: Path) -> None:
    probabilities = np.zeros((3, 1, 6, 8), np.float32)
    probabilities[0] = 0.5
    probabilities[1, 0, 1:3, 2:6] = 0.75
    probabilities[2, 0, 4:6, 0:2] = 0.9
    probabilities[2, 0, 4:6, 5:8] = 0.6
    np.savez(tmp_path / "a.npz", probabilities=probabilities)
    case = DetectionCase(case="a", group="a", boxes_true=(), labels_true=(), boxes=(), scores=(), labels=())
    found = scripts["detection"]._boxes_of(tmp_path, case)
    assert found.boxes == ((0, 4, 2, 6), (2, 1, 6, 3), (5, 4, 8, 6))
    assert found.labels == (1, 0, 1)
    assert found.scores == pytest.approx((0.9, 0.75, 0.6), abs=1e-6)


def test_the_table_of_boxes_has_a_line_a_training_and_a_score(scripts: dict[str, Any]) -> None:
    scores = {"ap_0.5": 0.6, "ap_0.1": 0.7, "iou": 0.5, "froc": 0.4}
    run = {"arm": "rasd", "seed": 1, "validation": {**scores, "classes": {"cell": scores}}, "cpu_seconds": 61.4}
    row = {"n_seeds": 3, "mean_a": 0.6, "mean_b": 0.5, "difference": 0.1, "interval": {"low": -0.05, "high": 0.25}}
    found = {"names": ["rasd", "scratch"], "score": "IoU", "overall": {**row, "p": 0.04}, "others": {}}
    content = {"runs": [run], "epochs": {"rasd": 6}, "comparisons": [found]}
    assert scripts["boxes"].runs(content)[2] == "| rasd | 1 | 6 | 60.0 | 70.0 | 50.0 | 40.0 | 60.0 | 61 |"
    line = "| rasd | scratch | 3 | IoU | 60.0 | 50.0 | +10.0 [-5.0, +25.0] | 0.04 |"
    assert scripts["boxes"].comparisons(content)[2] == line
