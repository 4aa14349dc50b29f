from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu import trainers
from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.cli.main import main
from rasd_nnu.networks.build import build_network
from rasd_nnu.networks.standard import standard_target
from rasd_nnu.nnunet.plans import NetworkTarget, target_from_plans
from tests.helpers import TinyDataset, architecture, tiny_dataset, tiny_plans


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    return tiny_dataset(tmp_path, monkeypatch)


def _checkpoint(path: Path, target: NetworkTarget) -> Path:
    atomic_save(checkpoint_content(build_network(target), target, {}), path)
    return path


def _target(**changes: Any) -> NetworkTarget:
    """Return a planned network of four stages, for a patch of 32^3 at 2 mm."""
    plans = tiny_plans("Dataset902_Other")
    plans["configurations"]["3d_fullres"].update(
        architecture=architecture(3, (4, 8, 16, 16)), patch_size=[32, 32, 32], spacing=[2.0, 2.0, 2.0]
    )
    dataset_json = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1}}
    return replace(target_from_plans(plans, dataset_json, "3d_fullres"), **changes)


def _run(args: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(["plan", *args])
    return int(end.value.code or 0)


def _read(data: TinyDataset, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((data.preprocessed / f"{name}.json").read_text())
    return content


def test_planned_checkpoint_gives_network_patch_and_spacing(
    data: TinyDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _checkpoint(data.root / "nnUNetPlans__3d_fullres.pth", _target())
    assert _run(["901", "--like", str(path)]) == 0
    out = capsys.readouterr().out
    name = "rasdPlans_nnUNetPlans_3d_fullres"
    assert out.endswith(
        f"next:\n  nnUNetv2_preprocess -d 901 -plans_name {name} -c 3d_fullres\n"
        f"  nnUNetv2_train 901 3d_fullres 0 -tr RaSDTrainer -p {name}\n"
    )
    assert "more than twice as large as the median image (12 x 12 x 12 voxels)" in out
    plans = _read(data, name)
    configuration = plans["configurations"].pop("3d_fullres")
    assert plans["configurations"] == {}
    assert configuration["architecture"] == architecture(3, (4, 8, 16, 16))
    assert (configuration["patch_size"], configuration["spacing"]) == ([32] * 3, [2.0] * 3)
    assert configuration["data_identifier"] == f"{name}_3d_fullres"
    assert configuration["batch_size"] == 2
    assert plans["pretrain_info"]["checkpoint_path"] == str(path)
    assert plans["image_reader_writer"] == data.plans["image_reader_writer"]


def test_training_on_the_new_plans_takes_all_of_the_checkpoint(
    data: TinyDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    path = _checkpoint(data.root / "pre.pth", _target())
    assert _run(["901", "--like", str(path), "--name", "likePlans", "--spacing", "planned"]) == 0
    monkeypatch.setattr(nnUNetTrainer, "on_train_start", lambda self: None)
    monkeypatch.setenv("RASD_TRANSFER", "whole")
    monkeypatch.setattr("nnunetv2.training.nnUNetTrainer.nnUNetTrainer.infer_dataset_class", lambda _: None)
    plans = _read(data, "likePlans") | {"continue_training": False}
    trainer = trainers.RaSDTrainer(plans, "3d_fullres", 0, data.dataset_json, torch.device("cpu"))
    trainer.on_train_start()
    report = json.loads((Path(trainer.output_folder) / "transfer_report.json").read_text())
    assert report["checkpoint"]["chosen_by"] == "pretrain_info"
    assert report["transfer"]["shares"]["all"]["parameters"] == 1.0


def test_standard_network_keeps_the_planned_spacing_and_data(
    data: TinyDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    target = replace(_target(), dataset=None, plans=None, configuration=None)
    path = _checkpoint(data.root / "standard.pth", target)
    (data.preprocessed / "nnUNetPlans_3d_fullres").mkdir()
    assert _run(["901", "--like", str(path), "--patch", "24x24x24", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["commands"] == ["nnUNetv2_train 901 3d_fullres 0 -tr RaSDTrainer -p rasdPlans_standard"]
    configuration = _read(data, "rasdPlans_standard")["configurations"]["3d_fullres"]
    assert configuration["spacing"] == [1.0] * 3
    assert configuration["data_identifier"] == "nnUNetPlans_3d_fullres"
    assert configuration["patch_size"] == [24] * 3


def test_2d_checkpoint_plans_2d(data: TinyDataset) -> None:
    target = target_from_plans(data.plans, data.dataset_json, "2d")
    path = _checkpoint(data.root / "flat.pth", replace(target, patch_size=(8, 8)))
    assert _run(["901", "--like", str(path), "--name", "flatPlans"]) == 0
    configuration = _read(data, "flatPlans")["configurations"]["2d"]
    # As many pixels a batch as before: 2 x 16 x 16.
    assert (configuration["patch_size"], configuration["batch_size"]) == ([8, 8], 8)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--patch", "20,20,20"], "--patch is 20 x 20 x 20, expected multiples of 8 x 8 x 8 for this network"),
        (["--patch", "32,32"], "--patch is 32 x 32, expected multiples"),
        (["--patch", "800000000,16,16"], "patch_size"),
        (["--name", "my__plans"], "letters, digits and single underscores"),
        (["--name", "nnUNetPlans"], "nnUNetPlans.json exists. Give --overwrite, or another --name"),
        (["-p", "nnUNetPlan"], "Did you mean 'nnUNetPlans'?"),
    ],
)
def test_impossible_requests(data: TinyDataset, capsys: pytest.CaptureFixture[str], more: list[str], said: str) -> None:
    path = _checkpoint(data.root / "pre.pth", _target())
    before = sorted(data.preprocessed.iterdir())
    assert _run(["901", "--like", str(path), *more]) == 2
    assert said in capsys.readouterr().err
    assert sorted(data.preprocessed.iterdir()) == before


def test_checkpoints_that_no_plan_can_follow(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("monai")
    bare = data.root / "bare.pth"
    torch.save({"weight": torch.zeros(2)}, bare)
    assert _run(["901", "--like", str(bare)]) == 2
    assert "does not describe its network" in capsys.readouterr().err
    target = standard_target(2, "swin-unetr")
    target.architecture["arch_kwargs"]["feature_size"] = 12
    path = _checkpoint(data.root / "swin.pth", target)
    assert _run(["901", "--like", str(path)]) == 2
    assert "holds a SwinUNETR, which nnU-Net's plans cannot ask for" in capsys.readouterr().err
