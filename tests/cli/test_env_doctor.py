from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rasd_nnu.cli.main import app
from rasd_nnu.nnunet import env as nnunet
from rasd_nnu.nnunet.env import extended_path, trainers_folder

FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


def _invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in FOLDERS:
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("nnUNet_extTrainer", str(trainers_folder()))
    return tmp_path


def test_entries_are_kept_and_not_repeated() -> None:
    ours = Path("/a b/ext")
    assert extended_path("", ours) == "/a b/ext"
    assert extended_path(os.pathsep.join(["/x", "", "/a b/ext", "/x"]), ours) == os.pathsep.join(["/a b/ext", "/x"])


def test_lines_can_be_evaluated_by_a_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "it's; mine"
    monkeypatch.setenv("nnUNet_extTrainer", str(other))
    monkeypatch.delenv("RASD_CHECKPOINTS", raising=False)
    result = _invoke("env")
    assert result.exit_code == 0
    script = 'eval "$1"; printf %s "$nnUNet_extTrainer"'
    shell = subprocess.run(["sh", "-c", script, "sh", result.stdout], capture_output=True, text=True, check=True)
    assert shell.stdout == f"{trainers_folder()}{os.pathsep}{other}"
    assert "# Checkpoints lie in ~/.cache/rasd_nnu/checkpoints" in result.stdout


@pytest.mark.usefixtures("healthy")
def test_doctor_is_content() -> None:
    result = _invoke("doctor")
    assert result.exit_code == 0, result.stdout
    assert "FAIL" not in result.stdout
    assert "nnU-Net finds RaSDTrainer_5epochs" in result.stdout


def _problems() -> dict[str, tuple[str, str]]:
    result = _invoke("doctor", "--json")
    assert result.exit_code == 1, result.stdout
    return {c["name"]: (c["found"], c["fix"]) for c in json.loads(result.stdout) if not c["ok"]}


def test_doctor_names_what_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*FOLDERS, "nnUNet_extTrainer"):
        monkeypatch.delenv(variable, raising=False)
    problems = _problems()
    assert set(problems) == {*FOLDERS, "nnUNet_extTrainer"}
    assert problems["nnUNet_raw"] == ("not set", "export nnUNet_raw=/path/to/nnUNet_raw")
    assert problems["nnUNet_extTrainer"][1] == 'eval "$(rasd_nnu env)"'


def test_doctor_names_what_does_not_exist(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (healthy / "nnUNet_results").rmdir()
    gone = healthy / "gone"
    monkeypatch.setenv("nnUNet_extTrainer", os.pathsep.join([str(trainers_folder()), str(gone)]))
    problems = _problems()
    assert problems["nnUNet_results"] == (
        f"{healthy / 'nnUNet_results'} does not exist",
        f"mkdir -p {healthy / 'nnUNet_results'}",
    )
    assert problems["nnUNet_extTrainer"][0] == f"{gone} does not exist"


def test_doctor_sees_another_folder_in_the_way(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = healthy / "broken"
    broken.mkdir()
    (broken / "unrelated.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.setenv("nnUNet_extTrainer", os.pathsep.join([str(broken), str(trainers_folder())]))
    assert "No module named 'a_module_that_is_not_there'" in _problems()["look-up"][0]


@pytest.mark.usefixtures("healthy")
def test_doctor_refuses_an_old_nnunet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nnunet.importlib.metadata, "version", lambda _: "2.6.2")
    found, fix = _problems()["nnunetv2"]
    assert found.startswith("nnunetv2 2.6.2 is installed")
    assert fix == "pip install --upgrade 'nnunetv2>=2.8'"
