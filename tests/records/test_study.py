from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.errors import CompareError
from rasd_nnu.records import read_study

UNIT: dict[str, Any] = {"dataset": "Dataset004_Hippocampus", "arm": "rasd", "seed": 0, "fold": 0, "path": "a/s.json"}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "s.json").write_text("{}")
    return tmp_path


def _write(study: Path, *units: dict[str, Any]) -> None:
    (study / "records.json").write_text(json.dumps({"version": 1, "units": units}))


def test_units_of_one_design_differ_in_arm_seed_and_fold(study: Path) -> None:
    _write(study, UNIT, {**UNIT, "arm": "scratch"}, {**UNIT, "n": 20})
    units = read_study(study).units
    assert units[0].design == units[1].design != units[2].design


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ([], "units: "),
        ([UNIT, UNIT], "arm rasd, seed 0, fold 0 is there twice"),
        ([{**UNIT, "path": "../s.json"}], "lies outside of"),
        ([{**UNIT, "path": "/etc/passwd"}], "lies outside of"),
        ([{**UNIT, "path": "a/none.json"}], "which does not exist"),
        ([{**UNIT, "arm": ""}], "units.0.arm"),
    ],
)
def test_bad_studies_are_one_line(study: Path, units: list[dict[str, Any]], message: str) -> None:
    _write(study, *units)
    with pytest.raises(CompareError) as error:
        read_study(study)
    assert message in str(error.value)


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompareError, match=r"cannot read .*records.json"):
        read_study(tmp_path)
