from __future__ import annotations

import copy
import errno
import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.nnunet.plans import target_from_plans
from rasd_nnu.trainers.seeding import seed_everything
from tests.helpers import TinyDataset
from tests.trainers.helpers import make_trainer, weights_of, write_checkpoint


def _stop(*_: object) -> None:
    raise InterruptedError


@pytest.fixture
def only_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """End `on_train_start` where nnU-Net's part of it begins."""
    monkeypatch.setattr(nnUNetTrainer, "on_train_start", lambda self: None)


def _refused(trainer: Any, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that a refused start prints to stderr."""
    with pytest.raises(SystemExit) as exit_:
        trainer.on_train_start()
    assert exit_.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0] in Path(trainer.log_file).read_text()
    return lines[0]


def test_lengths_follow_the_name(tiny: TinyDataset) -> None:
    stock = make_trainer(tiny, "RaSDTrainer")
    assert (stock.num_epochs, stock.num_iterations_per_epoch, stock.num_val_iterations_per_epoch) == (1000, 250, 50)
    assert stock.save_every == 50
    short = make_trainer(tiny, "RaSDTrainer_scratch_20epochs_30iters")
    assert (short.num_epochs, short.num_iterations_per_epoch, short.num_val_iterations_per_epoch) == (20, 30, 6)
    assert short.save_every == 2
    assert Path(short.output_folder).parent.name.startswith("RaSDTrainer_scratch_20epochs_30iters__")


@pytest.mark.usefixtures("only_start")
@pytest.mark.parametrize("configuration", ["3d_fullres", "2d"])
def test_round_trip_gives_identical_tensors(
    tiny: TinyDataset, configuration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RASD_TRANSFER", "whole")
    source = dict(write_checkpoint(tiny, configuration).named_parameters())
    trainer = make_trainer(tiny, "RaSDTrainer_1epochs_seed1", configuration)
    trainer.on_train_start()
    scratch = make_trainer(tiny, "RaSDTrainer_scratch_1epochs_seed1", configuration)
    scratch.on_train_start()
    heads = weights_of(scratch)
    for name, value in weights_of(trainer).items():
        assert torch.equal(value, heads[name] if "seg_layers" in name else source[name]), name


@pytest.mark.usefixtures("only_start")
def test_scratch_arm_is_nnunets_own_initialisation(tiny: TinyDataset) -> None:
    trainer = make_trainer(tiny, "RaSDTrainer_scratch_seed3")
    trainer.on_train_start()
    seed_everything(3)
    stock = nnUNetTrainer(
        copy.deepcopy(tiny.plans) | {"continue_training": False},
        "3d_fullres",
        0,
        tiny.dataset_json,
        torch.device("cpu"),
    )
    stock.initialize()
    theirs = weights_of(stock)
    assert all(torch.equal(value, theirs[name]) for name, value in weights_of(trainer).items())


@pytest.mark.usefixtures("only_start")
def test_report_says_where_a_run_came_from(tiny: TinyDataset) -> None:
    write_checkpoint(tiny)
    reports = {}
    for name in ("RaSDTrainer_4epochs_seed1", "RaSDTrainer_scratch_4epochs_seed1"):
        trainer = make_trainer(tiny, name)
        trainer.on_train_start()
        path = Path(trainer.output_folder) / "transfer_report.json"
        reports[trainer.run.arm] = json.loads(path.read_text())
        assert [p.name for p in path.parent.glob(".transfer_report*")] == []
    rasd, scratch = reports["rasd"], reports["scratch"]
    shares = rasd["transfer"]["shares"]
    assert shares["encoder"] == {"tensors": 1.0, "parameters": 1.0, "count": 12}
    assert (shares["decoder"]["parameters"], shares["all"]["count"]) == (0.0, 24)
    assert len(rasd["checkpoint"]["sha256"]) == 64
    assert rasd["checkpoint"]["rasd"]["iterations"] == 1
    assert rasd["checkpoint"]["chosen_by"] == "default folder"
    assert scratch["checkpoint"] is None
    assert scratch["transfer"] is None
    differ = {key for key in rasd if rasd[key] != scratch[key]}
    assert differ == {"trainer", "arm", "checkpoint", "transfer"}
    assert rasd["recipe"]["epochs"] == 4
    assert rasd["seed"] == 1


def test_missing_checkpoint_names_the_command(tiny: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    line = _refused(make_trainer(tiny, "RaSDTrainer_1epochs"), capsys)
    assert line.startswith("error: no pre-trained checkpoint for Dataset901_Tiny, plans nnUNetPlans")
    assert "`rasd_nnu pretrain --dataset 901 -c 3d_fullres --budget 1h`" in line


def test_a_full_disk_at_the_start_is_one_line(
    tiny: TinyDataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("rasd_nnu.trainers.trainer.write_text", full)
    line = _refused(make_trainer(tiny, "RaSDTrainer_scratch_1epochs"), capsys)
    assert "transfer_report.json: No space left on device" in line


class _Pickled:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pwned",)


def test_checkpoint_with_code_is_not_opened(
    tiny: TinyDataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny.root)
    monkeypatch.setenv("RASD_CHECKPOINT", str(tiny.root / "evil.pth"))
    torch.save({"network_weights": _Pickled()}, tiny.root / "evil.pth")
    assert "could run code" in _refused(make_trainer(tiny, "RaSDTrainer"), capsys)
    assert not (tiny.root / "pwned").exists()


def test_truncated_checkpoint(
    tiny: TinyDataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tiny)
    path = default_path(target_from_plans(tiny.plans, tiny.dataset_json, "3d_fullres"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged or truncated" in _refused(make_trainer(tiny, "RaSDTrainer"), capsys)


def test_checkpoint_of_another_dimension(
    tiny: TinyDataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tiny, "2d")
    path = default_path(target_from_plans(tiny.plans, tiny.dataset_json, "2d"))
    monkeypatch.setenv("RASD_CHECKPOINT", str(path))
    assert "it is 2D, the plan is 3D" in _refused(make_trainer(tiny, "RaSDTrainer"), capsys)


@pytest.mark.usefixtures("only_start")
@pytest.mark.parametrize("name", ["RaSDTrainer", "RaSDTrainer_scratch"])
def test_pretrained_weights_of_nnunet_are_refused(
    tiny: TinyDataset, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    write_checkpoint(tiny)
    trainer = make_trainer(tiny, name)
    trainer.initialize()
    trainer.network.load_state_dict(trainer.network.state_dict())
    assert "Leave -pretrained_weights out" in _refused(trainer, capsys)
    untouched = make_trainer(tiny, name)
    untouched.initialize()
    untouched.on_train_start()


@pytest.mark.usefixtures("only_start")
def test_resumed_training_loads_nothing(tiny: TinyDataset, tmp_path: Path) -> None:
    write_checkpoint(tiny)
    first = make_trainer(tiny, "RaSDTrainer_3epochs")
    first.on_train_start()
    with torch.no_grad():
        for parameter in first.network.parameters():
            parameter.fill_(0.25)
    first.save_checkpoint(str(tmp_path / "checkpoint_latest.pth"))
    default_path(first.target).unlink()
    report = Path(first.output_folder) / "transfer_report.json"
    written = report.read_bytes()
    resumed = make_trainer(tiny, "RaSDTrainer_3epochs")
    resumed.load_checkpoint(str(tmp_path / "checkpoint_latest.pth"))
    resumed.on_train_start()
    assert resumed.current_epoch == 1
    assert all((value == 0.25).all() for value in weights_of(resumed).values())
    assert report.read_bytes() == written


def test_failed_save_leaves_the_earlier_checkpoint(tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(tiny, "RaSDTrainer_scratch_1epochs")
    trainer.initialize()
    path = Path(trainer.output_folder) / "checkpoint_latest.pth"
    trainer.save_checkpoint(str(path))
    written = path.read_bytes()

    def half(_: object, file: str) -> None:
        Path(file).write_bytes(b"half")
        _stop()

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(InterruptedError):
        trainer.save_checkpoint(str(path))
    assert path.read_bytes() == written


def test_both_arms_draw_the_same_batches(tiny: TinyDataset) -> None:
    """The data differ by seed and epoch, and by nothing else."""
    write_checkpoint(tiny)
    drawn = {}
    for name in ("RaSDTrainer_2epochs_seed1", "RaSDTrainer_scratch_2epochs_seed1", "RaSDTrainer_scratch_2epochs_seed2"):
        trainer = make_trainer(tiny, name)
        trainer.on_train_start()
        for epoch in range(2):
            trainer.current_epoch = epoch
            trainer.on_epoch_start()
            drawn[name, epoch] = next(trainer.dataloader_train)["data"]
    rasd, scratch, other = ([drawn[n, e] for e in range(2)] for n in dict.fromkeys(n for n, _ in drawn))
    assert torch.equal(rasd[0], scratch[0])
    assert torch.equal(rasd[1], scratch[1])
    assert not torch.equal(scratch[0], scratch[1])
    assert not torch.equal(scratch[0], other[0])


def test_seed_reaches_every_generator() -> None:
    def draw(*entropy: int) -> tuple[float, float, float]:
        seed_everything(*entropy)
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    first = draw(1, 2)
    assert draw(1, 2) == first
    assert all(a != b for a, b in zip(first, draw(1, 3), strict=True))
