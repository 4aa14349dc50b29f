from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.cli.main import main
from rasd_nnu.pretrain.synthesis.renew import RenewConfig
from rasd_nnu.trainers.choice import ArmChoice, read_choice, write_choice
from rasd_nnu.workflows.choose import run as choose_run
from tests.helpers import TinyDataset, tiny_dataset
from tests.trainers.helpers import make_trainer, write_checkpoint

QUICK = ["--iterations", "2", "--folds", "2", "--device", "cpu"]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    return tiny_dataset(tmp_path, monkeypatch, preprocess=("2d",))


def _choose(tiny: TinyDataset, *args: str) -> int:
    try:
        main(["choose", str(tiny.id), "-c", "2d", *args])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def _fails(tiny: TinyDataset, said: str, capsys: pytest.CaptureFixture[str], *args: str) -> None:
    capsys.readouterr()
    assert _choose(tiny, *QUICK, *args) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert said in error


def test_the_choice_is_kept_resumed_and_used(
    tiny: TinyDataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(p.name for p in (tiny.root / "nnUNet_results").rglob("*"))
    assert _choose(tiny, *QUICK, "--arms", "convolution", "--json") == 0
    shown = capsys.readouterr()
    content = json.loads(shown.out)
    assert {arm["name"] for arm in content["evidence"]["arms"]} == {"scratch", "convolution"}
    assert "4 trainings of 2 iterations: 2 arms, 2 inner folds by patient" in shown.err
    assert sorted(p.name for p in (tiny.root / "nnUNet_results").rglob("*")) == before
    assert content["commands"][0] == "nnUNetv2_train 901 2d 0 -tr RaSDTrainer_auto"

    monkeypatch.setattr(choose_run, "screen", _must_not_run)  # all trainings are done
    assert _choose(tiny, *QUICK, "--arms", "convolution", "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["evidence"] == content["evidence"]


def _must_not_run(*_: Any) -> None:
    raise AssertionError("trained again")


def test_auto_is_what_was_chosen(tiny: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        make_trainer(tiny, "RaSDTrainer_auto_1epochs_2iters", "2d")
    assert "Choose with: rasd_nnu choose 901 -c 2d -f 0" in capsys.readouterr().err
    target = make_trainer(tiny, "RaSDTrainer_scratch", "2d").target
    mix = RenewConfig(kind="shift", share=1.0)
    write_choice(ArmChoice(arm="scratch", mix=mix, reason="a test", evidence={}), target, 0)
    trainer = make_trainer(tiny, "RaSDTrainer_auto_1epochs_2iters_seed1", "2d")
    assert (trainer.run.arm, trainer.run.seed, trainer.recipe.mix.kind) == ("scratch", 1, "shift")
    assert type(trainer).__name__ == "RaSDTrainer_auto_1epochs_2iters_seed1"
    write_choice(ArmChoice(arm="rasd", reason="a test", evidence={}), target, 0)
    trainer = make_trainer(tiny, "RaSDTrainer_auto", "2d")
    assert (trainer.run.arm, trainer.recipe.mix) == ("rasd", None)
    assert read_choice(target, 0).reason == "a test"


def test_starts_are_tried_where_there_is_a_checkpoint(tiny: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    _fails(tiny, "no pre-trained checkpoint for Dataset901_Tiny", capsys, "--arms", "start")
    write_checkpoint(tiny, "2d")
    assert _choose(tiny, *QUICK, "--arms", "start,start+shift") == 0
    out = capsys.readouterr().out
    assert "start+shift" in out
    assert "wrote " in out


def test_bad_input_is_one_line(tiny: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    _fails(tiny, "there is no fold 7, expected 0 to 0", capsys, "-f", "7")
    _fails(tiny, "unknown arm 'curv'", capsys, "--arms", "curv")
    _fails(tiny, "--budget is '20'", capsys, "--budget", "20")
    assert _choose(tiny, "--budget", "1s", "--arms", "scratch", "--device", "cpu") == 2
    assert "the budget of 1 s allows 0 iterations" in capsys.readouterr().err
    (tiny.raw / "cases.csv").write_text("case,group\n" + "".join(f"case_{i},one\n" for i in range(9)))
    cases = [p.name.split("_0000")[0] for p in sorted((tiny.raw / "imagesTr").glob("*_0000*"))]
    (tiny.raw / "cases.csv").write_text("case,group\n" + "".join(f"{case},one\n" for case in cases))
    _fails(tiny, "are of 1 patient, expected 2 or more", capsys)
    (tiny.raw / "cases.csv").write_text("case,group\n")
    _fails(tiny, "cases.csv has no row for", capsys)


def test_preprocessed_data_missing(tiny: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in tiny.preprocessed.iterdir():
        if folder.is_dir():
            folder.rename(tiny.root / folder.name)
    _fails(tiny, "cannot find the preprocessed cases", capsys)
