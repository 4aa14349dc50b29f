"""What the tests of hostile input share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.cli.main import main
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget, target_from_plans
from tests.helpers import TinyDataset

TRAINER = "RaSDTrainer_1epochs"


def one_line(arguments: Sequence[str], capsys: pytest.CaptureFixture[str], program: Any = main) -> str:
    """Run a command that has to refuse, and return its one line."""
    with pytest.raises(SystemExit) as end:
        program(list(arguments))
    captured = capsys.readouterr()
    assert end.value.code == 2, captured
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured
    return lines[0]


def target_of(data: TinyDataset, configuration: str = "3d_fullres") -> NetworkTarget:
    return target_from_plans(data.plans, data.dataset_json, configuration)


def content_of(target: NetworkTarget) -> dict[str, Any]:
    """Return the content of a checkpoint of ours."""
    return checkpoint_content(build_network(target), target, {})


def hostile_checkpoint(path: Path, target: NetworkTarget, **arguments: Any) -> Path:
    """Write a checkpoint whose description has other arguments."""
    content = content_of(target)
    architecture = json.loads(json.dumps(content["rasd"]["architecture"]))
    architecture["arch_kwargs"].update(arguments)
    content["rasd"]["architecture"] = architecture
    atomic_save(content, path)
    return path


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def trained_model(data: TinyDataset, folds: Sequence[str] = ("0",), **plans: Any) -> Path:
    """Write the folder of a trained model, as nnU-Net leaves it, and return it."""
    model = data.results / f"{TRAINER}__nnUNetPlans__3d_fullres"
    network = build_network(target_of(data), 3)
    everything = {**data.plans, **plans}
    write_json(model / "plans.json", everything)
    write_json(model / "dataset.json", data.dataset_json)
    for fold in folds:
        content = {
            "network_weights": network.state_dict(),
            "init_args": {
                "plans": everything,
                "configuration": "3d_fullres",
                "fold": 0,
                "dataset_json": data.dataset_json,
                "device": torch.device("cpu"),
            },
            "trainer_name": TRAINER,
            "current_epoch": 1,
        }
        atomic_save(content, model / f"fold_{fold}" / "checkpoint_final.pth")
    return model
