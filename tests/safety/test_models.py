"""The file of a classifier that somebody else trained, the images that it is given, and the folder of a training."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu.checkpoints.file import atomic_save, safe_load
from rasd_nnu.cli.main import main
from rasd_nnu.errors import CheckpointError, ConfigError, DatasetError, LockError
from rasd_nnu.nnunet.results import MODEL
from rasd_nnu.tasks.classification.data import Questions, read_data
from rasd_nnu.tasks.classification.model import Model
from rasd_nnu.tasks.classification.network import build_classifier
from rasd_nnu.tasks.stored import Plan
from rasd_nnu.workflows.arm_start import ArmSettings, arm_folder
from tests.helpers import TinyDataset
from tests.safety.mutate import files_below
from tests.safety.parts import write_json

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture
def model(data: TinyDataset, tmp_path: Path) -> Path:
    """Folder of a classifier with random weights."""
    plan = Plan(data.plans, data.dataset_json, "3d_fullres")
    network, _ = build_classifier(plan.target, 2, 0.0, seed=0, series=False)
    folder = tmp_path / "model"
    Model(network, Questions(("grade",), (("low", "high"),)), {"low": 0.5, "high": 0.5}, plan).save(folder)
    return folder


def _weights(change: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    def apply(content: dict[str, Any]) -> None:
        weights = content["network_weights"]
        name = next(iter(weights))
        weights[name] = change(weights[name])

    return apply


DAMAGES: dict[str, tuple[Change, str]] = {
    "no questions": (lambda c: c.pop("questions"), "'questions' is missing"),
    "no plans": (lambda c: c.pop("plans"), "'plans' is missing"),
    "no weights": (lambda c: c.pop("network_weights"), "holds no weights"),
    "questions": (lambda c: c.update(questions=3), "questions"),
    "classes": (lambda c: c.update(classes=[["low"]]), "two classes or more"),
    "more classes": (lambda c: c.update(classes=[["a", "b"], ["c", "d"]]), "for each question"),
    "thresholds": (lambda c: c.update(thresholds={"low": "x", "high": 0.5}), "thresholds"),
    "a threshold is missing": (lambda c: c.update(thresholds={"low": 0.5}), "one threshold for each output"),
    "terminal": (lambda c: c.update(questions=["\x1b[2J"]), "control characters"),
    "series": (lambda c: c.update(series=[]), "series"),
    "version": (lambda c: c.update(rasd_classifier=99), "is no classifier"),
    "plans": (lambda c: c.update(plans=[1]), "plans"),
    "another network": (_weights(lambda v: v[:1]), "does not fit the network"),
    "NaN": (_weights(lambda v: torch.full_like(v, torch.nan)), "not finite"),
    "complex": (_weights(lambda v: v.to(torch.complex64)), "complex64"),
}


@pytest.mark.parametrize(("change", "said"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_model(
    model: Path, data: TinyDataset, tmp_path: Path, change: Change, said: str, refused: Callable[..., str]
) -> None:
    content = safe_load(model / MODEL)
    change(content)
    atomic_save(content, model / MODEL)
    with pytest.raises(CheckpointError, match=said):
        Model.load(model)
    refused("predict", model, data.raw / "imagesTr", tmp_path / "out.csv", "--device", "cpu")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("classes", [None, [], {}, {"grade": None}, {"grade": [1]}, {"grade": {"a": 0, "b": "y"}}])
def test_classes_of_another_shape(data: TinyDataset, classes: Any) -> None:
    write_json(data.raw / "dataset.json", {**data.dataset_json, "classes": classes})
    (data.raw / "cases.csv").write_text("case,group,split,grade\ncase_0,a,train,0\n")
    write_json(data.raw / "splits_final.json", [{"train": ["case_0"], "val": []}])
    with pytest.raises(DatasetError, match="has no 'classes', expected question -> class -> number"):
        read_data(data.raw)


def test_names_of_images_are_no_patterns_and_no_formulas(model: Path, data: TinyDataset, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a[b]_0000", "ab_0001", "=cmd()_0000"):
        shutil.copy(data.raw / "imagesTr" / "case_0_0000.nii.gz", images / f"{name}.nii.gz")
    with pytest.raises(SystemExit, match="^0$"):
        main(["predict", str(model), str(images), str(tmp_path / "out.csv"), "--device", "cpu"])
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["case", "'=cmd()", "a[b]"]


def _folder(settings: ArmSettings, data: TinyDataset) -> Any:
    return arm_folder(settings, "RaSDClassifier_seed0", data.name, "nnUNetPlans", "3d_fullres")


def test_two_trainings_of_one_fold(data: TinyDataset) -> None:
    with _folder(ArmSettings(), data), pytest.raises(LockError, match="is in use by another run"):
        _folder(ArmSettings(), data).__enter__()
    with _folder(ArmSettings(), data):
        pass  # once the first has ended


@pytest.mark.parametrize("name", ["../escape", "a/b", "x" * 300])
def test_no_training_outside_of_the_results(data: TinyDataset, name: str) -> None:
    before = files_below(data.root)
    with pytest.raises(ConfigError, match="plain name"):
        arm_folder(ArmSettings(), "RaSDClassifier_seed0", data.name, name, "2d").__enter__()
    assert files_below(data.root) == before
