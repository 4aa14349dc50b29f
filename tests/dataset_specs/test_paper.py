"""The specs against what the paper prints and, where they are at hand, against collected facts."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from rasd_nnu.dataset_specs.registry import list_specs
from rasd_nnu.dataset_specs.schema import DatasetSpec

PAPER = [spec for spec in list_specs() if spec.paper is not None]
KEYS = {"msd07": "msd07_pancreas", "msd09": "msd09_spleen"}
NEVER_REPORTED = "hvdropdb_cls"
NOT_ANNOTATED = ("sacrum (not annotated)", "coccyx (not annotated)")


def facts() -> dict[str, dict[str, Any]]:
    folder = Path(os.environ["RASD_DATA"]).parent / "facts" if "RASD_DATA" in os.environ else None
    if folder is None or not folder.is_dir():
        pytest.skip("there is no folder of facts beside RASD_DATA")
    entries = yaml.safe_load((folder / "ct_mr.yaml").read_text())["datasets"]
    entries += yaml.safe_load((folder / "two_d.yaml").read_text())["tasks"]
    return {KEYS.get(entry["key"], entry["key"].replace("-", "_")): entry for entry in entries}


def test_counts_add_up_to_the_paper() -> None:
    found = Counter((spec.modality, spec.task) for spec in PAPER)
    assert found == {
        ("CT", "segmentation"): 12, ("CT", "classification"): 2, ("MR", "segmentation"): 5, ("MR", "classification"): 1,
        ("X-ray", "segmentation"): 3, ("X-ray", "classification"): 3, ("mammography", "classification"): 6,
        ("mammography", "detection"): 2, ("mammography", "segmentation"): 2, ("ultrasound", "segmentation"): 4,
        ("fundus", "segmentation"): 5, ("fundus", "classification"): 2, ("pathology", "segmentation"): 9,
    }  # fmt: skip
    assert len(PAPER) == 56


@pytest.mark.parametrize("spec", PAPER, ids=lambda spec: spec.key)
def test_own_consistency(spec: DatasetSpec) -> None:
    assert spec.paper and spec.split.paper
    ours = [name for name in spec.paper.results if "RaSD" in name]
    assert len(ours) == 1 and len(spec.paper.results) >= 5
    assert spec.split.paper.valid and spec.split.paper.train
    assert spec.sources and spec.layout.evidence and spec.pitfalls
    listed = spec.split.paper.valid_cases
    assert len(set(listed)) == len(listed)
    if listed:
        assert len(listed) == spec.split.paper.valid
    if spec.split.paper.rule == "counts":  # what `--split paper` gives as the reason
        assert spec.unknown.get("paper_split") or spec.split.paper.note
    for column, labels in spec.class_columns.items():
        assert sorted(labels.values()) == list(range(len(labels))), column


def test_all_tasks_of_the_facts_are_there() -> None:
    assert {spec.key for spec in PAPER} == set(facts()) - {NEVER_REPORTED}


@pytest.mark.parametrize("spec", PAPER, ids=lambda spec: spec.key)
def test_spec_agrees_with_the_facts(spec: DatasetSpec) -> None:
    known = facts()[spec.key]
    paper, split = spec.paper, spec.split.paper
    assert paper and split
    assert (split.train, split.valid, split.test) == (
        known["paper_train"], known["paper_valid"], known.get("paper_test")
    )  # fmt: skip
    assert {name: score.model_dump() for name, score in paper.results.items()} == known["paper_results"]
    for ours, theirs in ((paper.p_vs_scratch, known["p_vs_scratch"]), (paper.p_vs_best, known["p_vs_best"])):
        assert str(ours) == str(theirs) or float(str(ours)) == float(str(theirs))
    assert (paper.classes, paper.metric, paper.confidence) == (
        known["paper_classes"], known["metric"], known["confidence"]
    )  # fmt: skip
    assert (spec.task, spec.dims) == (known["task"], int(known["dims"][0]))
    assert spec.access == {"open download": "open"}.get(known["access"], known["access"])
    assert _number_of_classes(spec) == _number_in_facts(known)
    assert {text.replace("sister ", "VersaMammo ") for text in known["pitfalls"]} <= set(spec.pitfalls)


def _number_of_classes(spec: DatasetSpec) -> int:
    """Classes besides the background and what is ignored."""
    if spec.key == "mrnet":
        return len(spec.class_columns)
    return len([name for name in spec.labels if name not in ("background", "ignore")])


def _number_in_facts(known: dict[str, Any]) -> int:
    names = known["class_names"]
    if known["task"] == "classification":
        return len(names)
    skipped = ("background", "ignore", "non-cancer", *NOT_ANNOTATED)
    return len([entry for entry in names if not entry["name"].startswith(skipped)])
