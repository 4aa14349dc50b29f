from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rasd_nnu.compare import Comparison, compare_summaries
from rasd_nnu.errors import CompareError

Write = Callable[..., Path]
Train = Callable[..., Path]
SCORES_A = {f"c{i}": 0.5 + i / 100 for i in range(6)}
SCORES_B = {f"c{i}": 0.5 for i in range(6)}


def _compare(a: Path, b: Path) -> Comparison:
    return compare_summaries(a / "validation" / "summary.json", b / "validation" / "summary.json")


def test_two_trainings_of_one_recipe_raise_no_remark(train: Train) -> None:
    # The address in the loss and the output folder differ by nature.
    a = train("RaSDTrainer", SCORES_A)
    comparison = _compare(a, train("RaSDTrainer_scratch", SCORES_B, loss="Dice at 0x9abc"))
    assert comparison.recipe_differences == []
    assert comparison.warnings == []
    assert comparison.transfer == {"A": 0.98}
    assert comparison.label_names["1"] == "Anterior"


def test_a_training_that_went_on_after_a_stop_has_the_same_recipe(train: Train) -> None:
    # nnU-Net writes debug.json when a training starts or goes on, with the rate of that moment.
    rates = [f"AdamW (\n    initial_lr: 0.001\n    lr: {rate}\n    weight_decay: 0\n)" for rate in ("0.001", "1e-05")]
    a, b = (
        train(name, SCORES_A, optimizer=rate)
        for name, rate in zip(("RaSDTrainer", "RaSDTrainer_scratch"), rates, strict=True)
    )
    assert _compare(a, b).recipe_differences == []
    other = train("nnUNetTrainer", SCORES_A, optimizer=rates[0].replace("initial_lr: 0.001", "initial_lr: 0.01"))
    (line,) = _compare(a, other).recipe_differences
    assert "optimizer" in line


def test_differences_between_recipes_are_listed_and_in_the_verdict(train: Train) -> None:
    a, b = train("RaSDTrainer", SCORES_A), train("nnUNetTrainer", SCORES_B, num_epochs="1000")
    plans = json.loads((b.parent / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["batch_size"] = 4
    plans["pretrain_info"] = {"checkpoint_path": "x.pth"}
    (b.parent / "plans.json").write_text(json.dumps(plans))
    comparison = _compare(a, b)
    assert comparison.recipe_differences == [
        "plans.json: configurations.3d_fullres.batch_size: 2 | 4",
        "debug.json: num_epochs: 2 | 1000",
    ]
    assert "differ in more than the initial weights" in comparison.verdict


def test_recipe_and_versions_in_the_transfer_reports_are_compared(train: Train) -> None:
    a, b = train("RaSDTrainer", SCORES_A), train("RaSDTrainer_scratch", SCORES_B)
    report = json.loads((b / "transfer_report.json").read_text())
    report["recipe"] |= {"lr": 0.001, "transfer": "encoder", "width": "pad"}  # the latter two say what is carried
    (b / "transfer_report.json").write_text(json.dumps(report))
    assert _compare(a, b).recipe_differences == ["transfer_report.json: recipe.lr: 0.01 | 0.001"]


def test_a_pretrained_arm_without_a_transfer_is_suspicious(train: Train) -> None:
    a, b = train("RaSDTrainer", SCORES_A), train("RaSDTrainer_scratch", SCORES_B)
    (a / "transfer_report.json").write_text('{"transfer": null}')
    comparison = _compare(a, b)
    assert comparison.transfer == {}
    assert any("nothing shows that it began pre-trained" in line for line in comparison.warnings)


def test_suspicious_folds_are_warned_of(train: Train) -> None:
    a, b = train("RaSDTrainer", SCORES_A, "all"), train("RaSDTrainer_scratch", SCORES_B)
    (a / "checkpoint_final.pth").unlink()
    (a / "transfer_report.json").unlink()
    os.utime(b / "validation" / "summary.json", (0, 0))
    text = "\n".join(_compare(a, b).warnings)
    assert "A: " in text and "checkpoint_final.pth is missing" in text
    assert "fold 'all' validates on its own training cases" in text
    assert "nothing shows that it began pre-trained" in text
    assert "is older than checkpoint_final.pth" in text


def test_summaries_alone_say_that_recipes_were_not_compared(write_summary: Write) -> None:
    comparison = compare_summaries(write_summary("a.json", SCORES_A), write_summary("b.json", SCORES_B))
    assert comparison.warnings == ["the recipes of the arms were not compared: no plans.json beside the records"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not valid JSON"), ("[]", "expected a JSON object"), ("{}", "no number at transfer.shares")],
)
def test_a_damaged_transfer_report_is_named(train: Train, text: str, message: str) -> None:
    a, b = train("RaSDTrainer", SCORES_A), train("RaSDTrainer_scratch", SCORES_B)
    (a / "transfer_report.json").write_text(text)
    with pytest.raises(CompareError, match=message):
        _compare(a, b)


def _says_what_it_learned_from(fold: Path, cases: list[str], dataset: str = "Dataset004_Hippocampus") -> None:
    report = json.loads((fold / "transfer_report.json").read_text())
    learned = {"dataset": dataset, "fold": 1, "cases": cases}
    report |= {"dataset": "Dataset004_Hippocampus", "checkpoint": {"path": "x.pth", "learned_from": learned}}
    (fold / "transfer_report.json").write_text(json.dumps(report))


def test_scores_of_cases_that_the_start_had_learned_from_are_refused(train: Train) -> None:
    a, b = train("RaSDTrainer", SCORES_A), train("RaSDTrainer_scratch", SCORES_B)
    case = next(iter(SCORES_A))
    _says_what_it_learned_from(a, ["other", case])
    with pytest.raises(CompareError, match=f"A: .*summary.json scores '{case}', which the weights it began with"):
        _compare(a, b)


@pytest.mark.parametrize("dataset", ["Dataset004_Hippocampus", "Dataset005_Other"])
def test_where_the_maps_of_a_start_came_from_is_said(train: Train, dataset: str) -> None:
    a, b = train("RaSDTrainer", SCORES_A), train("RaSDTrainer_scratch", SCORES_B)
    cases = ["other"] if dataset.startswith("Dataset004") else list(SCORES_A)  # there, other patients of these names
    _says_what_it_learned_from(a, cases, dataset)
    told = [line for line in _compare(a, b).warnings if "learned from" in line]
    assert len(told) == 1 and f"{len(cases)} training cases of fold 1 of {dataset}" in told[0]


def test_regions_are_named_as_in_the_summary(train: Train) -> None:
    regions = {c: {"(1, 2)": s} for c, s in SCORES_A.items()}
    a, b = train("RaSDTrainer", regions), train("RaSDTrainer_scratch", {c: {"(1, 2)": 0.5} for c in regions})
    for fold in (a, b):
        (fold.parent / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "whole": [1, 2]}}))
    comparison = _compare(a, b)
    assert comparison.label_names == {"0": "background", "(1, 2)": "whole"}
    assert list(comparison.labels) == ["(1, 2)"]


def test_recipes_in_transfer_reports_without_plans_are_said_to_be_compared(write_summary: Write) -> None:
    """As the folders of our classifiers and detectors are."""
    files = []
    for arm, scores in (("a", SCORES_A), ("b", SCORES_B)):
        files.append(write_summary(f"{arm}__nnUNetPlans__2d/fold_0/validation/summary.json", scores))
        report = files[-1].parents[1] / "transfer_report.json"
        report.write_text(json.dumps({"transfer": None, "recipe": {"lr": 0.001}}))
    comparison = compare_summaries(*files)
    said = "the recipes of the arms were compared, but their plans were not compared: no plans.json beside the records"
    assert said in comparison.warnings
