from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rasd_nnu.cli.main import main
from rasd_nnu.dataset_specs.phantom import write_phantom


def run(*arguments: str) -> int:
    """Run the command line and return its exit code."""
    with pytest.raises(SystemExit) as exit_:
        main(["tasks", *arguments])
    return int(exit_.value.code or 0)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Ten phantom cases in the layout of the Decathlon."""
    made = write_phantom(tmp_path, cases=10).path
    folder = tmp_path / "Task04_Hippocampus"
    made.rename(folder)
    entries = []
    for index, label in enumerate(sorted((folder / "labelsTr").iterdir()), start=1):
        name = f"hippocampus_{index:03d}.nii.gz"
        (folder / "imagesTr" / label.name.replace(".nii", "_0000.nii")).rename(folder / "imagesTr" / name)
        label.rename(folder / "labelsTr" / name)
        entries.append({"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"})
    labels = {"0": "background", "1": "Anterior", "2": "Posterior"}
    listing = {"modality": {"0": "MRI"}, "labels": labels, "training": entries}
    (folder / "dataset.json").write_text(json.dumps(listing))
    return folder


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    assert "msd04_hippocampus" in capsys.readouterr().out
    assert run("list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"key": "msd04_hippocampus", "id": 4, "cases": 260}.items() <= rows[0].items()


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "4") == 0
    assert "licence: CC BY-SA 4.0" in capsys.readouterr().out
    assert run("show", "msd04_hippocampus", "--json") == 0
    assert json.loads(capsys.readouterr().out)["labels"] == {"background": 0, "Anterior": 1, "Posterior": 2}


def test_unknown_task_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "hippocampus") == 2
    assert capsys.readouterr().err.startswith("error: unknown task 'hippocampus'. Did you mean")


def test_prepare(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    arguments = ("prepare", "msd04_hippocampus", "--source", str(release), "--workers", "1")
    assert run(*arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Dataset004_Hippocampus: 10 cases in {tmp_path}/raw/Dataset004_Hippocampus (10 converted now)"
    assert lines[1].startswith("warning: the source lists 10 cases")
    assert lines[-1] == "next: nnUNetv2_plan_and_preprocess -d 4 --verify_dataset_integrity"
    assert run(*arguments) == 0
    assert "(no case to convert, all are up to date)" in capsys.readouterr().out
    assert run(*arguments, "--overwrite") == 0
    assert "(10 converted now)" in capsys.readouterr().out


def test_prepare_without_nnunet_raw(
    release: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("nnUNet_raw", raising=False)
    assert run("prepare", "4", "--source", str(release)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: nnUNet_raw is unset")
    assert len(error.splitlines()) == 1


def test_a_classification_data_set_is_ready_for_planning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    release = tmp_path / "pneumoniamnist"
    release.mkdir()
    labels = np.array([[0], [1]] * 5)
    arrays = {
        f"{part}_{what}": values
        for part in ("train", "val", "test")
        for what, values in (("images", np.zeros((10, 28, 28), np.uint8)), ("labels", labels))
    }
    np.savez(release / "pneumoniamnist.npz", **arrays)
    for _ in range(2):
        assert run("prepare", "pneumoniamnist", "--source", str(release), "--workers", "1") == 0
        assert "next: nnUNetv2_plan_and_preprocess -d 673" in capsys.readouterr().out
        folder = tmp_path / "raw" / "Dataset673_PneumoniaMNIST"
        assert json.loads((folder / "dataset.json").read_text())["labels"] == {"background": 0, "image": 1}
        assert len(list((folder / "labelsTr").glob("*.png"))) == 20
