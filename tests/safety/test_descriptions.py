"""A description of a network may name only networks and their building blocks."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu.checkpoints.file import atomic_save
from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.errors import CheckpointError, PlansError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.architecture import checked_architecture
from rasd_nnu.nnunet.plans import NetworkTarget, planned_target
from tests.helpers import TinyDataset, architecture
from tests.safety.parts import content_of, hostile_checkpoint, one_line, target_of, trained_model, write_json
from tests.trainers.helpers import make_trainer


def _command(marker: Path) -> dict[str, Any]:
    return {"nonlin": "os.system", "nonlin_kwargs": {"command": f"touch {marker}"}}


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("nonlin", "os.system"),
        ("nonlin", "subprocess.Popen"),
        ("nonlin", "torch.hub.load"),
        ("nonlin", "torch.nn.modules.module.os.system"),
        ("nonlin", "torch.nn.Linear"),
        ("nonlin", "torch.nn.functional.relu"),
        ("nonlin", "../evil"),
        ("nonlin", 3),
        ("norm_op", "torch.nn.LeakyReLU"),
        ("conv_op", "torch.nn.modules.conv.Conv9d"),
        ("dropout_op", "dynamic_network_architectures.architectures.unet.PlainConvUNet"),
    ],
)
def test_operators_are_of_a_list(argument: str, name: object) -> None:
    with pytest.raises(PlansError, match=argument):
        checked_architecture(architecture(3, **{argument: name}))


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.exec",
        "nnunetv2.run.run_training.run_training_entry",
        "rasd_nnu.files.write_text",
        "rasd_nnu.networks.build.pydoc.importlib.import_module",
        "torch.nn.DataParallel",
        "dynamic_network_architectures.architectures.unet.torch.load",
        "PlainConvUNet",
        "torch.nn.NoSuchNet",
    ],
)
def test_networks_are_of_a_list(name: str) -> None:
    with pytest.raises(PlansError):
        checked_architecture({**architecture(3), "network_class_name": name})


@pytest.mark.parametrize(
    "changes",
    [
        {"n_stages": 10**9},
        {"features_per_stage": [4, 8, 10**6]},
        {"features_per_stage": [4, 8]},
        {"features_per_stage": [8000] * 3, "kernel_sizes": [[63] * 3] * 3},
        {"strides": [[1, 1], [2, 2], [2, 2]]},
        {"strides": None},
        {"kernel_sizes": "333"},
        {"n_conv_per_stage": [1, 1, 10**5]},
        {"norm_op_kwargs": {"eps": "import os"}},
        {"norm_op_kwargs": {"unknown": 1}},
        {"nonlin_kwargs": [1]},
        {"unknown": 1},
        {"conv_bias": "maybe"},
    ],
)
def test_arguments_are_of_the_kind_and_size_that_the_network_takes(changes: dict[str, Any]) -> None:
    with pytest.raises(PlansError):
        checked_architecture(architecture(3, **changes))


def test_what_is_not_to_be_imported_is_refused() -> None:
    description = architecture(3)
    with pytest.raises(PlansError, match="lacks 'nonlin'"):
        checked_architecture({**description, "_kw_requires_import": ["conv_op", "norm_op"]})
    with pytest.raises(PlansError, match="twice"):
        checked_architecture({**description, "_kw_requires_import": [*description["_kw_requires_import"], "nonlin"]})
    with pytest.raises(PlansError, match="'evil'"):
        checked_architecture({**description, "_kw_requires_import": [*description["_kw_requires_import"], "evil"]})


def test_plan_like_writes_nothing_of_a_hostile_checkpoint(
    data: TinyDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = tmp_path / "ran"
    path = hostile_checkpoint(tmp_path / "hostile.pth", target_of(data), **_command(marker))
    before = sorted(data.preprocessed.iterdir())
    assert "os.system" in one_line(["plan", data.name, "--like", str(path)], capsys)
    assert sorted(data.preprocessed.iterdir()) == before
    for command in (["inspect"], ["convert", "--dataset", data.name, "-c", "3d_fullres", "--out", str(marker)]):
        assert "os.system" in one_line([command[0], str(path), *command[1:]], capsys)
    assert not marker.exists()


@pytest.mark.parametrize("key", ["init_args", "nnssl_adaptation_plan"])
def test_checkpoints_of_others_are_checked_as_ours(data: TinyDataset, tmp_path: Path, key: str) -> None:
    marker = tmp_path / "ran"
    plans = copy.deepcopy(data.plans)
    hostile = plans["configurations"]["3d_fullres"]["architecture"]
    hostile["arch_kwargs"].update(_command(marker))
    entries = {
        "init_args": {"plans": plans, "dataset_json": data.dataset_json, "configuration": "3d_fullres", "fold": 0},
        "nnssl_adaptation_plan": {
            "architecture_plans": {
                "arch_class_name": hostile["network_class_name"],
                "arch_kwargs": hostile["arch_kwargs"],
                "arch_kwargs_requiring_import": hostile["_kw_requires_import"],
            },
            "recommended_downstream_patchsize": [16, 16, 16],
        },
    }
    content = {"network_weights": content_of(target_of(data))["network_weights"], key: entries[key]}
    atomic_save(content, tmp_path / "theirs.pth")
    with pytest.raises(CheckpointError, match=r"os\.system"):
        open_source(tmp_path / "theirs.pth")
    assert not marker.exists()


def test_hostile_plans_run_nothing(data: TinyDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marker = tmp_path / "ran"
    plans = copy.deepcopy(data.plans)
    plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"].update(_command(marker))
    model = trained_model(data, configurations=plans["configurations"])
    for stock in ([], ["--stock-trainer"]):
        assert "os.system" in one_line(["export", str(model), "--out", str(tmp_path / "out"), *stock], capsys)
    assert not (tmp_path / "out").exists()
    write_json(data.preprocessed / "nnUNetPlans.json", plans)
    assert "os.system" in one_line(["pretrain", "--dataset", data.name, "-c", "3d_fullres"], capsys)
    with pytest.raises(PlansError):
        build_network(planned_target(data.name, "3d_fullres"))
    object.__setattr__(data, "plans", plans)
    assert "os.system" in one_line(["RaSDTrainer_scratch"], capsys, lambda names: make_trainer(data, names[0]))
    assert not marker.exists()
    assert not data.results.joinpath("RaSDTrainer_scratch__nnUNetPlans__3d_fullres").exists()


def test_networks_of_ones_own_are_allowed_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "my_lab"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Conv3d):\n"
        "    def __init__(self, input_channels, num_classes):\n"
        "        super().__init__(input_channels, num_classes, 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    description = {"network_class_name": "my_lab.Net", "arch_kwargs": {}, "_kw_requires_import": []}
    with pytest.raises(PlansError, match="RASD_NETWORKS"):
        checked_architecture(description)
    monkeypatch.setenv("RASD_NETWORKS", "other:my_lab")
    target = NetworkTarget(description, 1, (8, 8, 8), (1.0, 1.0, 1.0), 2)
    assert build_network(target)(torch.zeros(1, 1, 8, 8, 8)).shape[1] == 32


def test_former_names_of_our_networks_are_kept() -> None:
    description = {"network_class_name": "rasd_nnu.pretrain.architectures.SwinUNETR", "_kw_requires_import": []}
    checked = checked_architecture({**description, "arch_kwargs": {"feature_size": 12, "dims": 3}})
    assert checked["network_class_name"] == "rasd_nnu.networks.bodies.SwinUNETR"
    with pytest.raises(PlansError, match="feature_size"):
        checked_architecture({**description, "arch_kwargs": {"feature_size": 13, "dims": 3}})


def test_older_plans_name_a_module_that_moved() -> None:
    moved = architecture(3)
    kwargs = moved["arch_kwargs"]
    kwargs["n_blocks_per_stage"] = kwargs.pop("n_conv_per_stage")
    name = "dynamic_network_architectures.architectures.residual_unet.ResidualEncoderUNet"
    assert checked_architecture({**moved, "network_class_name": name})["network_class_name"] == name
    assert json.loads(json.dumps(moved)) == moved


def test_what_a_constructor_refuses_is_one_line() -> None:
    residual = architecture(3)
    kwargs = residual["arch_kwargs"]
    kwargs["n_blocks_per_stage"] = [kwargs.pop("n_conv_per_stage")[0]]
    name = "dynamic_network_architectures.architectures.unet.ResidualUNet"
    target = NetworkTarget({**residual, "network_class_name": name}, 1, (16, 16, 16), (1.0, 1.0, 1.0), 2)
    with pytest.raises(PlansError, match="cannot be built as described"):
        build_network(target)
