"""A registered arm is trained by its name, and its report says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from rasd_nnu import trainers
from rasd_nnu.checkpoints.arms import add_arm
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import target_from_plans
from tests.helpers import tiny_dataset


def test_trainer_starts_from_a_registered_arm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nnUNetTrainer, "on_train_start", lambda self: None)
    tiny = tiny_dataset(tmp_path, monkeypatch, preprocess=("2d",))
    origin = build_network(target_from_plans(tiny.plans, tiny.dataset_json, "2d"))
    torch.save({"state_dict": {f"module.{n}": v for n, v in origin.state_dict().items()}}, tmp_path / "theirs.pth")

    def trainer() -> Any:
        plans = {**tiny.plans, "continue_training": False}
        name = "RaSDTrainer_fromtheirs_1epochs_seed1"
        return getattr(trainers, name)(plans, "2d", 0, tiny.dataset_json, torch.device("cpu"))

    with pytest.raises(SystemExit):
        trainer().on_train_start()
    assert "no arm 'theirs' is registered" in capsys.readouterr().err
    add_arm("theirs", tmp_path / "theirs.pth")
    started = trainer()
    started.on_train_start()
    name = "encoder.stages.2.0.convs.0.conv.weight"
    assert torch.equal(started.network.get_parameter(name), origin.get_parameter(name))
    report = json.loads((Path(started.output_folder) / "transfer_report.json").read_text())
    assert (report["arm"], report["checkpoint"]["chosen_by"]) == ("theirs", "arm theirs")
    assert report["transfer"]["shares"]["all"]["parameters"] == 1.0
