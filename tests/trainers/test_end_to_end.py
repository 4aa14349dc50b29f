"""nnU-Net's own training and prediction with our trainers, unwrapped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.run.run_training import run_training

from rasd_nnu.cli.env import trainers_folder
from rasd_nnu.nnunet import target_from_plans
from rasd_nnu.pretrain.checkpoint import atomic_save, checkpoint_content, default_path
from rasd_nnu.pretrain.networks import build_network
from rasd_nnu.trainers.trainer import RaSDTrainer
from tests.helpers import TinyDataset


@pytest.fixture
def ready(tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    """The tiny data set with its checkpoint, and nnU-Net knowing where our trainers are."""
    monkeypatch.setenv("nnUNet_extTrainer", str(trainers_folder()))
    target = target_from_plans(tiny.plans, tiny.dataset_json, "3d_fullres")
    atomic_save(checkpoint_content(build_network(target), target, {}), default_path(target))
    return tiny


def _train(name: str, **options: bool) -> None:
    run_training("901", "3d_fullres", 0, name, device=torch.device("cpu"), **options)


def _fold(tiny: TinyDataset, name: str) -> Path:
    return tiny.results / f"{name}__nnUNetPlans__3d_fullres" / "fold_0"


@pytest.mark.slow
def test_train_continue_and_predict(ready: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "RaSDTrainer_1epochs_2iters"
    _train(name)
    fold = _fold(ready, name)
    summary = json.loads((fold / "validation" / "summary.json").read_text())
    assert len(summary["metric_per_case"]) == 1
    report = json.loads((fold / "transfer_report.json").read_text())
    assert report["transfer"]["shares"]["all"]["parameters"] == 1.0

    default_path(target_from_plans(ready.plans, ready.dataset_json, "3d_fullres")).unlink()
    validated = []
    monkeypatch.setattr(RaSDTrainer, "perform_actual_validation", lambda self, _: validated.append(self))
    _train(name, continue_training=True)  # needs no checkpoint any more
    _train(name, only_run_validation=True)
    assert len(validated) == 2

    predictor = nnUNetPredictor(use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(fold.parent), (0,))
    assert predictor.trainer_name == name
    out = ready.root / "out"
    out.mkdir()
    predictor.predict_from_files_sequential([[str(ready.raw / "imagesTr/case_3_0000.nii.gz")]], [str(out / "case_3")])
    assert (out / "case_3.nii.gz").is_file()


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(ready: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "RaSDTrainer_4epochs_2iters_seed1"
    monkeypatch.setattr(RaSDTrainer, "perform_actual_validation", lambda self, _: None)
    _train(name)
    final = _fold(ready, name) / "checkpoint_final.pth"
    whole = torch.load(final, weights_only=False)
    final.unlink()
    start = RaSDTrainer.on_train_epoch_start

    def killed(trainer: RaSDTrainer) -> None:
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt
        start(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(RaSDTrainer, "on_train_epoch_start", killed)
        with pytest.raises(KeyboardInterrupt):
            _train(name)
    assert not final.exists()
    _train(name, continue_training=True)
    resumed = torch.load(final, weights_only=False)
    assert all(torch.equal(v, resumed["network_weights"][k]) for k, v in whole["network_weights"].items())
