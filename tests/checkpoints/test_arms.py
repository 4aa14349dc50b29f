from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from rasd_nnu.checkpoints.arms import add_arm, arm_source, known_arm, read_arms, registry_path, remove_arm
from rasd_nnu.cli.main import main
from rasd_nnu.errors import CheckpointError, ConfigError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.nnunet.trainer_names import parse_name
from rasd_nnu.trainers import trainer_class
from tests.helpers import architecture


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RASD_CHECKPOINTS", str(tmp_path / "checkpoints"))
    path = tmp_path / "theirs.pth"
    torch.save(build_network(NetworkTarget(architecture(2), 1, (16, 16), (1.0, 1.0), 2)).state_dict(), path)
    return path


def _run(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(args)
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def test_an_arm_is_registered_opened_and_forgotten(weights: Path) -> None:
    assert read_arms() == {}
    arm = add_arm("theirs", weights)
    assert read_arms() == {"theirs": arm}
    source, choice = arm_source("theirs")
    assert (source.sha256, choice.named_by) == (arm.sha256, "arm theirs")
    remove_arm("theirs")
    assert read_arms() == {}
    assert weights.is_file()


def test_a_file_that_changed_is_refused(weights: Path) -> None:
    add_arm("theirs", weights)
    torch.save(build_network(NetworkTarget(architecture(2), 1, (16, 16), (1.0, 1.0), 2)).state_dict(), weights)
    with pytest.raises(CheckpointError, match=r"has changed since it was registered as arm 'theirs'.*--overwrite"):
        arm_source("theirs")
    add_arm("theirs", weights, overwrite=True)
    arm_source("theirs")


@pytest.mark.parametrize("name", ["scratch", "rasd", "my_arm", "", "nnUNetTrainer", "a-b", "Scratch"])
def test_names_that_the_grammar_cannot_carry(weights: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="an arm cannot be called"):
        add_arm(name, weights)
    assert not registry_path().exists()


def test_taken_and_unknown_names(weights: Path) -> None:
    add_arm("voco", weights)
    with pytest.raises(ConfigError, match=r"arm 'voco' exists .*--overwrite"):
        add_arm("voco", weights)
    with pytest.raises(ConfigError, match=r"no arm 'vocco'.*found: voco.*Did you mean 'voco'"):
        known_arm("vocco")
    with pytest.raises(CheckpointError, match="not of format 'suprem'"):
        add_arm("other", weights, "suprem")
    assert list(read_arms()) == ["voco"]


@pytest.mark.parametrize("text", ["{", "[]", '{"format_version": 1}', '{"format_version": 1, "arms": {"a": {"b": 1}}}'])
def test_damaged_registry(weights: Path, text: str) -> None:
    registry_path().parent.mkdir()
    registry_path().write_text(text)
    with pytest.raises(ConfigError, match=r"arms\.json (is|holds) .*register the arms again"):
        read_arms()


def test_registry_of_a_newer_version(weights: Path) -> None:
    registry_path().parent.mkdir()
    registry_path().write_text('{"format_version": 2, "arms": {}}')
    with pytest.raises(ConfigError, match="has format version 2, this version reads 1"):
        read_arms()


def test_trainer_of_an_arm() -> None:
    name = parse_name("RaSDTrainer_fromvoco_5epochs_seed1")
    assert name is not None
    assert (name.arm, name.epochs, name.seed) == ("voco", 5, 1)
    assert trainer_class(name).__name__ == "RaSDTrainer_fromvoco_5epochs_seed1"
    for bad in ("RaSDTrainer_fromscratch", "RaSDTrainer_fromrasd", "RaSDTrainer_from", "RaSDTrainer_scratch_fromvoco"):
        assert parse_name(bad) is None


def test_command(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no arms in" in _run(["arms", "list"], capsys)[1]
    code, out, _ = _run(["arms", "add", "theirs", "--checkpoint", str(weights)], capsys)
    assert code == 0
    assert "-tr RaSDTrainer_fromtheirs" in out
    assert "--vs theirs" in out
    assert str(weights) in _run(["arms", "list"], capsys)[1]
    (entry,) = json.loads(_run(["arms", "list", "--json"], capsys)[1])
    assert (entry["name"], entry["format"], entry["checkpoint"]) == ("theirs", None, str(weights))
    assert _run(["arms", "remove", "theirs"], capsys)[0] == 0
    code, _, err = _run(["arms", "remove", "theirs"], capsys)
    assert code == 2
    assert err.startswith("error: no arm 'theirs' is registered")
    assert err.count("\n") == 1
