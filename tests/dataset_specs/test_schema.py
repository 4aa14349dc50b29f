from __future__ import annotations

from importlib import resources
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from rasd_nnu.dataset_specs.parse import parse_spec
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.schema.split import GroupRule
from rasd_nnu.errors import ConfigError, DatasetError


@pytest.fixture
def fields() -> dict[str, Any]:
    file = resources.files("rasd_nnu.dataset_specs") / "mr" / "msd04_hippocampus.yaml"
    return dict(yaml.safe_load(file.read_text()))


def parse(fields: dict[str, Any]) -> DatasetSpec:
    return parse_spec(yaml.safe_dump(fields), "x.yaml")


def test_spec_is_frozen(spec: DatasetSpec) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        spec.id = 5  # type: ignore[misc]


def test_unknown_field_names_the_nearest(fields: dict[str, Any]) -> None:
    fields["licens"] = fields.pop("licence")
    with pytest.raises(ConfigError, match=r"^x\.yaml: .*unknown field 'licens'\. Did you mean 'licence'\?"):
        parse(fields)


def test_unknown_nested_field_is_named_with_its_place(fields: dict[str, Any]) -> None:
    fields["split"] = {"fold": 5}
    with pytest.raises(ConfigError, match=r"unknown field 'split\.fold'\. Did you mean 'folds'\?"):
        parse(fields)


def test_all_errors_are_one_line_with_at_most_three_problems() -> None:
    with pytest.raises(ConfigError, match=r"field 'key' is missing; .*; and \d+ more$") as caught:
        parse({"id": 4})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("id", 1000, r"id: .*less than or equal to 999, got 1000"),
        ("modality", "MRI", r"modality: .*'MR'.* got 'MRI'"),
        ("labels", {"Anterior": 1}, "background: 0"),
        ("labels", {"background": 0, "a": 2}, r"consecutive from 0 as nnU-Net asks, got \[0, 2\]"),
        ("labels", {"background": 0, "all": [1, 2], "core": [2]}, "regions_class_order"),
        ("regions_class_order", [1, 2], "regions_class_order"),
        ("steps", {"label": [{"kind": "remap", "values": {0: 0, 5: 7}}]}, r"steps lead to \[7\]"),
        ("steps", {"label": [{"kind": "remapp"}]}, r"steps\.label\.0.*'remap'"),
        ("licence", None, r"'licence' is null; say why under unknown\.licence"),
        ("task", "classification", "'label_map' does not fit the task 'classification'"),
        ("layout", {"kind": "files", "folder": "x", "cases": 1, "image": "../a", "case": "a"}, "stays below the top"),
        ("group", {"by": "(a)(b)", "why": "x"}, "exactly one bracket"),
        ("group", {"by": "(a", "why": "x"}, "not a regular expression"),
        ("group", {"by": "case", "consecutive": 2, "why": "x"}, "'consecutive' needs a regular expression"),
        ("downloads", [{"url": "ftp://x/y.tar"}], r"downloads\.0\.url"),
        ("downloads", [{"url": "http://x/y.tar", "md5": "12"}], r"downloads\.0\.md5"),
        ("split", {"folds": 1}, r"split\.folds"),
    ],
)
def test_wrong_value_is_one_clear_line(fields: dict[str, Any], name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse(fields | {name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["key: [", "- 1", "", "!!python/object/apply:os.getcwd []"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^x\.yaml (is not valid YAML|must be a YAML mapping)"):
        parse_spec(text, "x.yaml")


def test_schema_carries_regions_paper_numbers_and_an_unpublished_split(fields: dict[str, Any]) -> None:
    fields |= {
        "channels": ["t1", "t1ce", "t2", "flair"],
        "labels": {"background": 0, "whole tumour": [1, 2, 3], "tumour core": [2, 3], "enhancing": [3]},
        "regions_class_order": [1, 2, 3],
        "steps": {"label": [{"kind": "remap", "values": {0: 0, 1: 2, 2: 1, 4: 3}}]},
        "split": {"paper": {"train": 1000, "valid": 251, "leaks": False, "note": "official"}},
        "paper": {
            "name": "BraTS21",
            "tables": ["Table 7"],
            "classes": 3,
            "metric": "DSC",
            "results": {"RaSD-3D": {"mean": 90.6, "ci_low": 89.6, "ci_high": 91.6}},
            "p_vs_scratch": "<0.01",
            "p_vs_best": 0.82,
            "confidence": "high",
        },
    }
    spec = parse(fields)
    assert spec.label_values == {0, 1, 2, 3}
    assert spec.split.folds == 5
    assert spec.paper is not None
    assert spec.paper.results["RaSD-3D"].mean == 90.6


def test_checksum_prefers_sha256(fields: dict[str, Any]) -> None:
    fields["downloads"] = [
        {"url": "http://x/a.tar", "md5": "0" * 32, "sha256": "1" * 64},
        {"url": "http://x/b.tar", "md5": "0" * 32},
        {"url": "http://x/c.tar"},
    ]
    hashes = [download.known_hash for download in parse(fields).downloads]
    assert hashes == ["sha256:" + "1" * 64, "md5:" + "0" * 32, None]


@pytest.mark.parametrize(
    ("rule", "case", "group"),
    [
        ({"by": "case"}, "a_1", "a_1"),
        ({"by": "^(patient[0-9]+)_"}, "patient007_frame01", "patient007"),
        ({"by": "_([0-9]+)$", "consecutive": 2}, "hippocampus_041", "21"),
        ({"by": "_([0-9]+)$", "consecutive": 2}, "hippocampus_042", "21"),
        ({"by": "_([0-9]+)$", "consecutive": 2}, "hippocampus_043", "22"),
    ],
)
def test_group_of_a_case(rule: dict[str, Any], case: str, group: str) -> None:
    assert GroupRule.model_validate(rule | {"why": "test"}).group_of(case) == group


@pytest.mark.parametrize("rule", [{"by": "^(x)"}, {"by": "^(.*)$", "consecutive": 2}])
def test_case_without_group_is_an_error(rule: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match="'abc' does not fit the group rule"):
        GroupRule.model_validate(rule | {"why": "test"}).group_of("abc")
