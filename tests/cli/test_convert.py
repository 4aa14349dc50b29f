from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from nnunetv2.run.run_training import maybe_load_checkpoint
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content, safe_load
from rasd_nnu.cli.main import main
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import planned_target, target_from_plans
from tests.helpers import NAME, TinyDataset, architecture, tiny_dataset, tiny_plans


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    return tiny_dataset(tmp_path, monkeypatch, preprocess=("3d_fullres",))


def _run(args: list[str]) -> int:
    with pytest.raises(SystemExit) as end:
        main(["convert", *args])
    return int(end.value.code or 0)


def _checkpoint(path: Path, **changes: object) -> dict[str, torch.Tensor]:
    """Write a checkpoint of the tiny 3D network, with other entries of ``arch_kwargs``."""
    plans = tiny_plans()
    plans["configurations"]["3d_fullres"]["architecture"] = architecture(3, **changes)
    target = target_from_plans(plans, {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}}, "3d_fullres")
    network = build_network(target)
    atomic_save(checkpoint_content(network, target, {}), path)
    return network.state_dict()


def _stock_trainer(data: TinyDataset, file: Path) -> nnUNetTrainer:
    """Return nnU-Net's trainer with the weights that ``nnUNetv2_train -pretrained_weights`` would give it."""
    plans = data.plans | {"continue_training": False}
    trainer = nnUNetTrainer(plans, "3d_fullres", 0, data.dataset_json, torch.device("cpu"))
    maybe_load_checkpoint(trainer, False, False, str(file))
    return trainer


def test_same_plan(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    source = _checkpoint(data.root / "a.pth")
    out = data.root / "fitted.pth"
    args = [str(data.root / "a.pth"), "--dataset", "901", "-c", "3d_fullres", "--out", str(out)]
    assert _run([*args, "--transfer", "whole"]) == 0
    shown = capsys.readouterr().out
    assert f"next: nnUNetv2_train 901 3d_fullres 0 -pretrained_weights {out}" in shown
    assert "random" not in shown
    loaded = _stock_trainer(data, out).network.state_dict()
    assert all(torch.equal(value, source[name]) for name, value in loaded.items() if ".seg_layers." not in name)
    assert _run([*args, "--overwrite"]) == 0  # the encoder of ours, unless told otherwise
    assert "tensors have random values" in capsys.readouterr().out
    loaded = _stock_trainer(data, out).network.state_dict()
    kernels = {name: value for name, value in loaded.items() if value.ndim > 1 and ".seg_layers." not in name}
    for name, value in kernels.items():
        assert torch.equal(value, source[name]) == ("encoder." in name), name


def test_other_topology_is_fitted_and_the_stock_trainer_takes_a_step(
    data: TinyDataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _checkpoint(data.root / "flat.pth", kernel_sizes=[[1, 3, 3], [3, 3, 3], [3, 3, 3]])
    out = data.root / "fitted.pth"
    args = [str(data.root / "flat.pth"), "--dataset", NAME, "-c", "3d_fullres", "--out", str(out), "--json"]
    assert _run([*args, "--transfer", "whole"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["shares"]["all"]["parameters"] == 1.0
    trainer = _stock_trainer(data, out)
    stem = trainer.network.state_dict()["encoder.stages.0.0.convs.0.conv.weight"]
    assert torch.equal(stem[:, :, 1:2], source["encoder.stages.0.0.convs.0.conv.weight"])
    monkeypatch.setattr(nnUNetTrainer, "plot_network_architecture", lambda self: None)
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    assert trainer.train_step(next(trainer.dataloader_train))["loss"] < 10


def test_tensors_left_are_random_but_the_same_each_time(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    _checkpoint(data.root / "wide.pth", features_per_stage=[4, 8, 12])
    args = [str(data.root / "wide.pth"), "--dataset", "901", "-c", "3d_fullres", "--out"]
    assert _run([*args, str(data.root / "no.pth")]) == 2
    assert "of the encoder's parameters fit" in capsys.readouterr().err
    assert not (data.root / "no.pth").exists()
    files = [data.root / "x.pth", data.root / "y.pth"]
    for file in files:
        assert _run([*args, str(file), "--require", "0.1"]) == 0
        assert "tensors have random values" in capsys.readouterr().out
    first, second = (safe_load(file)["network_weights"] for file in files)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--width", "pad", "warning: the widths of"), ("--channels", "0,0", "channels is '0,0', 2 entries; expected 1")],
)
def test_what_is_allowed_beyond_the_rules_is_an_option(
    data: TinyDataset, option: str, value: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _checkpoint(data.root / "narrow.pth", features_per_stage=[2, 4, 8])
    out = data.root / "fitted.pth"
    args = [str(data.root / "narrow.pth"), "--dataset", "901", "-c", "3d_fullres", "--out", str(out)]
    assert _run(args) == 2
    code = _run([*args, option, value])
    shown = capsys.readouterr()
    assert said in shown.out + shown.err
    assert (code == 0) == out.is_file() == (option == "--width")


def test_existing_file_is_kept(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    out = data.root / "there.pth"
    out.write_bytes(b"precious")
    assert _run([str(out), "--dataset", "901", "-c", "3d_fullres", "--out", str(out)]) == 2
    assert "there.pth exists. Give --overwrite" in capsys.readouterr().err
    assert out.read_bytes() == b"precious"


def test_network_that_the_stock_trainer_does_not_build(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    _checkpoint(data.root / "a.pth")
    data.plans["configurations"]["3d_fullres"]["architecture"] = {
        "network_class_name": "torch.nn.Identity",
        "arch_kwargs": {},
        "_kw_requires_import": [],
    }
    (data.preprocessed / "nnUNetPlans.json").write_text(json.dumps(data.plans))
    assert planned_target("901", "3d_fullres").architecture["network_class_name"] == "torch.nn.Identity"
    assert (
        _run([str(data.root / "a.pth"), "--dataset", "901", "-c", "3d_fullres", "--out", str(data.root / "b.pth")]) == 2
    )
    assert "torch.nn.Identity has no segmentation heads" in capsys.readouterr().err
