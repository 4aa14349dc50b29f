"""A whole run on cases: what it writes, exact resume, and what the trainer makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu.checkpoints.file import load_checkpoint, resume_path, safe_load
from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.cli.main import main
from rasd_nnu.errors import CheckpointError, ConfigError
from rasd_nnu.nnunet.plans import NetworkTarget, planned_target
from rasd_nnu.pretrain.cases import open_cases
from tests.helpers import NAME, TinyDataset, tiny_dataset
from tests.pretrain.loop_parts import start, stop_at, tiny_recipe
from tests.trainers.helpers import make_trainer

CONFIGURATION = "3d_fullres"


@pytest.fixture(scope="module")
def preprocessed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyDataset]:
    with pytest.MonkeyPatch.context() as patch:
        yield tiny_dataset(tmp_path_factory.mktemp("tiny"), patch, preprocess=(CONFIGURATION,))


@pytest.fixture
def data(preprocessed: TinyDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    monkeypatch.setenv("RASD_CHECKPOINTS", str(tmp_path / "checkpoints"))
    return preprocessed


def _target() -> NetworkTarget:
    return planned_target(NAME, CONFIGURATION)


def _start(out: Path, *, mixed: bool = False, **options: Any) -> None:
    from rasd_nnu.pretrain.synthesis import SynthesisConfig

    target = _target()
    config = SynthesisConfig.preset(shape=target.patch_size, classes=4, normalization=target.normalization)
    start(out, target=target, config=config, cases=open_cases(target, 0, mixed=mixed), **options)


@pytest.mark.parametrize("mixed", [False, True], ids=["cases", "mixed"])
def test_a_stopped_run_goes_on_exactly(data: TinyDataset, tmp_path: Path, mixed: bool) -> None:
    recipe = tiny_recipe(iterations=4, lr=1e-3)
    _start(tmp_path / "whole.pth", mixed=mixed, recipe=recipe)
    _start(tmp_path / "parts.pth", mixed=mixed, recipe=recipe, display=stop_at(2))
    _start(tmp_path / "parts.pth", mixed=mixed, recipe=recipe, resume=True)
    histories = [safe_load(resume_path(tmp_path / name))["history"] for name in ("whole.pth", "parts.pth")]
    assert torch.equal(*histories)
    weights = [load_checkpoint(tmp_path / name)["network_weights"] for name in ("whole.pth", "parts.pth")]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    with pytest.raises(CheckpointError, match="belongs to another run: maps"):
        _start(tmp_path / "parts.pth", mixed=not mixed, recipe=recipe, resume=True)


def test_the_command_writes_where_the_trainer_of_that_fold_looks(
    data: TinyDataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ["pretrain", "--dataset", NAME, "-c", CONFIGURATION, "--maps", "cases", "-f", "0", "--iterations", "2"]
    with pytest.raises(SystemExit) as end:
        main([*args, "--device", "cpu"])
    assert not end.value.code
    assert "nnUNetv2_train 901 3d_fullres 0 -tr RaSDTrainer" in capsys.readouterr().out
    meta = load_checkpoint(default_path(_target(), fold=0))["rasd"]
    assert (meta["maps"], meta["seen"]["fold"], list(meta["targets"])) == ("cases", 0, ["background", "bright", "dark"])
    monkeypatch.setattr("nnunetv2.training.nnUNetTrainer.nnUNetTrainer.nnUNetTrainer.on_train_start", lambda _: None)
    trainer = make_trainer(data, "RaSDTrainer_1epochs", CONFIGURATION, 0)
    trainer.on_train_start()
    report = json.loads((Path(trainer.output_folder) / "transfer_report.json").read_text())
    assert report["checkpoint"]["rasd"]["maps"] == "cases"
    assert report["transfer"]["shares"]["all"]["parameters"] == 1.0
    assert {t["action"] for t in report["transfer"]["tensors"] if t["part"] == "head"} == {"adapted"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--maps", "case", "-f", "0"], "Did you mean 'cases'"),
        (["--maps", "cases"], "needs a fold"),
        (["-f", "0"], "needs --maps cases or mixed"),
        (["--maps", "cases", "-f", "5"], "there is no fold 5"),
        (["--maps", "cases", "-f", "0", "--classes", "4"], "contradicts --maps cases"),
        (["--maps", "mixed", "-f", "0", "--objective", "contrastive"], "contradicts --maps mixed"),
        (["--maps", "cases", "-f", "0", "--push", "hf://me/rasd"], "the checkpoint names the cases"),
    ],
)
def test_contradictions_are_one_line(
    data: TinyDataset, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["pretrain", "--dataset", NAME, "-c", CONFIGURATION, "--iterations", "1", *options])
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert not default_path(_target(), fold=0).exists()


def test_cases_of_another_plan_are_refused(data: TinyDataset, tmp_path: Path) -> None:
    cases = open_cases(_target(), 0)
    from tests.pretrain.loop_parts import tiny_target

    with pytest.raises(ConfigError, match="expected those of the network's plan"):
        start(tmp_path / "a.pth", target=tiny_target(), cases=cases)
