"""Summaries as nnU-Net writes them, for cases whose Dice is chosen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

REFERENCE_VOXELS = 1000

WriteSummary = Callable[..., Path]


def label_metrics(dice: float | None, reference: int = REFERENCE_VOXELS, predicted: int = 0) -> dict[str, Any]:
    """Metrics of one label; ``dice`` None: absent from the reference, with so many voxels predicted."""
    if dice is None:
        value = 0.0 if predicted else float("nan")
        return {"Dice": value, "IoU": value, "TP": 0, "FP": predicted, "FN": 0, "n_pred": predicted, "n_ref": 0}
    tp = round(dice * reference)  # as many predicted as there are, so that Dice = TP / reference
    error = reference - tp
    return {"Dice": tp / reference, "TP": tp, "FP": error, "FN": error, "n_pred": reference, "n_ref": reference}


def summary_dict(cases: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A summary of ``case -> label -> Dice``; a dictionary instead of a Dice is taken as metrics."""
    entries = [
        {
            "reference_file": f"/gt/{case}.nii.gz",
            "prediction_file": f"/validation/{case}.nii.gz",
            "metrics": {
                label: score if isinstance(score, dict) else label_metrics(score) for label, score in labels.items()
            },
        }
        for case, labels in cases.items()
    ]
    return {"foreground_mean": {}, "mean": {}, "metric_per_case": entries}


@pytest.fixture
def write_summary(tmp_path: Path) -> WriteSummary:
    """Return a function that writes ``case -> label -> Dice`` (or one Dice of label 1) to a file."""

    def write(name: str, cases: Mapping[str, Any]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        full = {c: v if isinstance(v, Mapping) else {"1": v} for c, v in cases.items()}
        path.write_text(json.dumps(summary_dict(full)))
        return path

    return write


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty data set folder in ``nnUNet_results``, with nnU-Net's variables set."""
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    folder = tmp_path / "nnUNet_results" / "Dataset004_Hippocampus"
    folder.mkdir()
    return folder


@pytest.fixture
def train(results: Path) -> Callable[..., Path]:
    """Return a function that leaves what a finished fold leaves, and returns its folder."""

    def leave(trainer: str, scores: Mapping[str, Any], fold: str = "0", **debug: Any) -> Path:
        model = results / f"{trainer}__nnUNetPlans__3d_fullres"
        folder = model / f"fold_{fold}"
        (folder / "validation").mkdir(parents=True)
        plans = {"plans_name": "nnUNetPlans", "configurations": {"3d_fullres": {"batch_size": 2}}}
        (model / "plans.json").write_text(json.dumps(plans))
        names = {"background": 0, "Anterior": 1, "Posterior": 2}
        (model / "dataset.json").write_text(json.dumps({"labels": names}))
        settings = {"num_epochs": "2", "output_folder": str(folder), "loss": "Dice at 0x7f12"} | debug
        (folder / "debug.json").write_text(json.dumps(settings))
        (folder / "checkpoint_final.pth").touch()
        if trainer.startswith("RaSDTrainer"):
            transfer = None if "scratch" in trainer else {"shares": {"all": {"parameters": 0.98}}}
            report = {"trainer": trainer, "recipe": {"lr": 0.01}, "versions": {}, "transfer": transfer}
            (folder / "transfer_report.json").write_text(json.dumps(report))
        full = {c: v if isinstance(v, Mapping) else {"1": v} for c, v in scores.items()}
        (folder / "validation" / "summary.json").write_text(json.dumps(summary_dict(full)))
        return folder

    return leave
