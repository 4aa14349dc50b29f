from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rasd_nnu.dataset_specs.prepare import prepare
from rasd_nnu.dataset_specs.registry import get_spec
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.schema.split import PaperSplit, Side, Split
from rasd_nnu.dataset_specs.source import SourceCase
from rasd_nnu.dataset_specs.splits import leaking_groups, plan_split
from rasd_nnu.errors import DatasetError
from tests.dataset_specs.fixtures.volumes import acdc


def cases_of(count: int, per_patient: int = 2) -> list[SourceCase]:
    return [
        SourceCase(f"case_{at:03d}", (), {"patient": f"p{at // per_patient}", "part": "ab"[at % 2]})
        for at in range(count)
    ]


def with_split(spec: DatasetSpec, **parts: object) -> DatasetSpec:
    group = spec.group.model_copy(update={"by": "{patient}", "consecutive": 1})
    return spec.model_copy(update={"group": group, "split": Split.model_validate(parts)})


def test_split_of_acdc_counts_the_leaking_patients(tmp_path: Path) -> None:
    spec = get_spec("acdc")
    acdc(tmp_path / "ACDC")
    default = prepare(spec, tmp_path, tmp_path / "raw")
    assert not [line for line in default.warnings if "leaks" in line]
    paper = prepare(spec, tmp_path, tmp_path / "raw", split="paper")
    assert paper.converted == 0
    leak = "the paper's split leaks: 2 of 3 held-out patients (groups) also have cases in training, such as patient006"
    assert [line for line in paper.warnings if "leaks" in line] == [f"{leak}; scores on it are optimistic"]
    (fold,) = json.loads((paper.path / "splits_final.json").read_text())
    assert fold["val"] == ["patient006_frame01", "patient009_frame01", "patient009_frame13", "patient011_frame01"]
    assert len(fold["train"]) == 8


@pytest.mark.parametrize("seed", range(5))
def test_drawn_split_keeps_groups_and_proportions(spec: DatasetSpec, seed: int) -> None:
    drawn = with_split(spec, seed=seed, paper={"train": 70, "valid": 10, "test": 20, "note": "none was published."})
    plan = plan_split(drawn, cases_of(200), "paper")
    counts = [list(plan.sides.values()).count(side) for side in ("train", "valid", "test")]
    assert counts == [140, 20, 40]
    assert not leaking_groups(plan.groups, plan.sides)[0]
    assert plan.warnings[0] == (
        "the paper's own list is not known here (none was published): cases were drawn by group in the proportions "
        "of the printed sizes"
    )


def test_sides_that_the_release_marks(spec: DatasetSpec) -> None:
    paper = {"train": 6, "valid": 6, "valid_where": {"field": "part", "values": "b"}}
    plan = plan_split(with_split(spec, paper=paper), cases_of(12), "paper")
    assert plan.folds[0]["val"] == [f"case_{at:03d}" for at in range(1, 12, 2)]
    assert plan.warnings[0].startswith("the paper's split leaks: 6 of 6 held-out patients")


def test_cases_outside_published_lists_are_unused(spec: DatasetSpec) -> None:
    lists = {"train_cases": ["case_000"], "valid_cases": ["case_002", "case_999"], "test_cases": ["case_004"]}
    plan = plan_split(with_split(spec, paper={"train": 1, "valid": 1, "test": 1, **lists}), cases_of(8), "paper")
    assert plan.sides == {"case_000": "train", "case_002": "valid", "case_004": "test"}
    assert plan.warnings == ("1 case(s) of the paper's list are not in the source, such as case_999",)


def test_test_set_that_the_release_marks_beside_a_published_list(spec: DatasetSpec) -> None:
    paper = {"train": 4, "valid": 1, "valid_cases": ["case_001"], "test_where": {"field": "patient", "values": "p1"}}
    plan = plan_split(with_split(spec, paper=paper), cases_of(8), "paper")
    assert [case for case, side in plan.sides.items() if side == "test"] == ["case_002", "case_003"]
    assert plan.folds[0]["val"] == ["case_001"] and len(plan.folds[0]["train"]) == 5


def test_official_folds_and_test_set(spec: DatasetSpec) -> None:
    official = with_split(spec, field="patient", test={"field": "patient", "values": "p[01]"})
    plan = plan_split(official, cases_of(10))
    assert [fold["val"] for fold in plan.folds] == [[f"case_{at:03d}", f"case_{at + 1:03d}"] for at in (4, 6, 8)]
    assert [case for case, side in plan.sides.items() if side == "test"] == [f"case_{at:03d}" for at in range(4)]


def test_paper_without_a_split(spec: DatasetSpec) -> None:
    with pytest.raises(DatasetError, match="no split of the paper is known for msd04_hippocampus; use --split default"):
        plan_split(with_split(spec), cases_of(4), "paper")


def test_side_of_another_value() -> None:
    assert not Side(field="part", values="a").holds({"part": "ab"})
    assert PaperSplit(valid=1, valid_where=Side(field="part", values="a")).rule == "field"


def test_unusable_cases_are_left_out_on_request(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    (release / "labelsTr" / "hippocampus_003.nii.gz").write_bytes(b"broken")
    with pytest.raises(DatasetError, match=r"1 of 10 cases .*give --leave-out to go on without them"):
        prepare(spec, release, tmp_path / "raw")
    prepared = prepare(spec, release, tmp_path / "raw", leave_out=True)
    assert "hippocampus_003" not in prepared.cases and len(prepared.cases) == 9
    assert "1 unusable case(s) were left out, such as hippocampus_003: cannot read" in prepared.warnings[-1]
    folds = json.loads((prepared.path / "splits_final.json").read_text())
    assert sorted(np.concatenate([fold["val"] for fold in folds])) == list(prepared.cases)
    again = prepare(spec, release, tmp_path / "raw")
    assert (again.converted, again.cases) == (0, prepared.cases)
