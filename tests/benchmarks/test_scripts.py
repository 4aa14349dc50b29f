"""Scripts that make evidence of records: which pairs they draw, and what they hand to `compare`."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.compare.records import read_summary

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def scripts() -> Iterator[dict[str, Any]]:
    sys.path.insert(0, str(BENCHMARKS))
    before = set(sys.modules)
    import registration
    import registration_table
    import screen_study

    yield {"registration": registration, "table": registration_table, "study": screen_study}
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
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, found)))
    monkeypatch.setattr(scripts["study"], "RECORDS", tmp_path)
    records = scripts["study"].write_study(tmp_path / "out", ["t"], ["a", "b"])
    assert [(unit.arm, unit.seed) for unit in records.units] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    read = read_summary(tmp_path / "out" / records.units[0].path)
    assert [read[case][label].dice for case, label in (("p1", "1"), ("p1", "2"), ("p2", "1"))] == [0.5, 0.0, 0.123]
    assert math.isnan(read["p2"]["2"].dice) and not read["p2"]["2"].in_reference
