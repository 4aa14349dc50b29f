"""What the options do to a run of the trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.trainers.saved import RECIPE_KEY
from tests.helpers import TinyDataset
from tests.trainers.helpers import make_trainer, weights_of, write_checkpoint


@pytest.fixture(autouse=True)
def _only_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """End `on_train_start` where nnU-Net's part of it begins."""
    monkeypatch.setattr(nnUNetTrainer, "on_train_start", lambda self: None)


def _options(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"RASD_{name}", value)


def _report(trainer: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((Path(trainer.output_folder) / "transfer_report.json").read_text())
    return content


def test_recipe_is_the_same_for_both_arms_and_written_everywhere(
    tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_checkpoint(tiny)
    _options(monkeypatch, OPTIMIZER="adamw", LR="2e-3", WARMUP="0.5", FREEZE_ENCODER_EPOCHS="1", LAYER_DECAY="0.5")
    recipes = []
    for name in ("RaSDTrainer_4epochs", "RaSDTrainer_scratch_4epochs"):
        trainer = make_trainer(tiny, name)
        trainer.on_train_start()
        assert isinstance(trainer.optimizer, torch.optim.AdamW)
        assert trainer.lr_scheduler.warmup_epochs == 2
        assert (trainer.initial_lr, trainer.weight_decay) == (2e-3, 1e-5)
        assert len(trainer.optimizer.param_groups) == 6
        assert "optimizer='adamw' lr=0.002 warmup=0.5" in Path(trainer.log_file).read_text()
        trainer.save_checkpoint(str(tmp_path / "saved.pth"))
        saved = torch.load(tmp_path / "saved.pth", weights_only=False)["init_args"][RECIPE_KEY]
        assert (saved["lr"], saved["layer_decay"]) == (2e-3, 0.5)
        recipes.append(_report(trainer)["recipe"])
    assert recipes[0] == recipes[1]
    assert recipes[0] | saved == recipes[0]


def test_plans_give_the_recipe(tiny: TinyDataset) -> None:
    tiny.plans["pretrain_info"] = {"rasd": {"lr": 0.125}}
    assert make_trainer(tiny, "RaSDTrainer").recipe.rate == 0.125


def test_wrong_option_ends_in_one_line(
    tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _options(monkeypatch, OPTIMIZER="adan")
    with pytest.raises(SystemExit) as end:
        make_trainer(tiny, "RaSDTrainer")
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: RASD_OPTIMIZER is 'adan'; it should be 'sgd' or 'adamw'.\n"


@pytest.mark.parametrize("asked", ["encoder", ""])
def test_encoder_alone(tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    source = dict(write_checkpoint(tiny).named_parameters())
    _options(monkeypatch, TRANSFER=asked)
    trainer, scratch = (make_trainer(tiny, f"RaSDTrainer{arm}_seed1") for arm in ("", "_scratch"))
    trainer.on_train_start()
    scratch.on_train_start()
    random = weights_of(scratch)
    for name, value in weights_of(trainer).items():
        assert torch.equal(value, source[name] if name.startswith("encoder.") else random[name]), name
    shares = _report(trainer)["transfer"]["shares"]
    assert (shares["encoder"]["parameters"], shares["decoder"]["parameters"]) == (1.0, 0.0)


@pytest.mark.parametrize(("share", "fits"), [("", False), ("0.01", True)])
def test_required_share(
    tiny: TinyDataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    share: str,
    fits: bool,
) -> None:
    weights = write_checkpoint(tiny).state_dict()
    part = {name: value for name, value in weights.items() if name.startswith("encoder.stages.0.")}
    torch.save(part, tiny.root / "part.pth")
    monkeypatch.setenv("RASD_CHECKPOINT", str(tiny.root / "part.pth"))
    _options(monkeypatch, REQUIRE=share)
    trainer = make_trainer(tiny, "RaSDTrainer")
    if fits:
        trainer.on_train_start()
        assert 0.01 <= _report(trainer)["transfer"]["shares"]["encoder"]["parameters"] < 0.7
    else:
        with pytest.raises(SystemExit):
            trainer.on_train_start()
        assert "of the encoder's parameters fit" in capsys.readouterr().err


def test_transfer_draws_nothing_random(tiny: TinyDataset) -> None:
    """Under DDP the ranks have been made equal before; a draw would make them differ."""
    write_checkpoint(tiny)
    trainer = make_trainer(tiny, "RaSDTrainer")
    trainer.initialize()
    state = torch.get_rng_state()
    trainer.on_train_start()
    assert torch.equal(torch.get_rng_state(), state)


def test_resumed_run_keeps_the_recipe_that_it_began_with(
    tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_checkpoint(tiny)
    path = tmp_path / "checkpoint_latest.pth"
    with monkeypatch.context() as patch:
        _options(patch, OPTIMIZER="adamw", FREEZE_ENCODER_EPOCHS="3", LAYER_DECAY="0.5")
        first = make_trainer(tiny, "RaSDTrainer_4epochs")
        first.on_train_start()
        first.save_checkpoint(str(path))
    default_path(first.target).unlink()
    _options(monkeypatch, LR="9")
    resumed = make_trainer(tiny, "RaSDTrainer_4epochs")
    resumed.load_checkpoint(str(path))
    assert resumed.recipe == first.recipe
    assert resumed.initial_lr == 3e-4
    assert resumed.optimizer.state_dict() == first.optimizer.state_dict()
    log = Path(resumed.log_file).read_text()
    assert "going on as the run began, with optimizer='adamw' lr=None" in log
    assert "what is set now is optimizer='sgd' lr=9.0" in log
    resumed.save_checkpoint(str(path))
    assert torch.load(path, weights_only=False)["init_args"][RECIPE_KEY] == first.recipe.model_dump()


def test_checkpoint_of_another_trainer_is_not_resumed(
    tiny: TinyDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = make_trainer(tiny, "RaSDTrainer_scratch")
    trainer.initialize()
    del trainer.my_init_kwargs[RECIPE_KEY]
    trainer.save_checkpoint(str(tmp_path / "stock.pth"))
    with pytest.raises(SystemExit):
        make_trainer(tiny, "RaSDTrainer_scratch").load_checkpoint(str(tmp_path / "stock.pth"))
    assert "has no recipe in its init_args" in capsys.readouterr().err
