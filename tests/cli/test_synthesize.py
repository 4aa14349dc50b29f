from __future__ import annotations

from pathlib import Path

import pytest

from rasd_nnu.checkpoints.file import load_checkpoint
from rasd_nnu.cli.main import main
from tests.helpers import TinyDataset, tiny_dataset, use_nnunet_folders

STANDARD = ["-d", "3d", "--patch", "16", "--classes", "4"]
QUICK = ["--device", "cpu", "--iterations", "2", "--lr", "1e-3"]


def run(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(args)
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    use_nnunet_folders(tmp_path, monkeypatch)
    code, out, _ = run(["synthesize", *STANDARD, "--n", "3", "--out", str(tmp_path / "s"), "--device", "cpu"], capsys)
    assert code == 0
    assert f"{tmp_path / 's'}: 3 samples, " in out
    return tmp_path / "s"


def test_pretrain_on_them(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.pth"
    args = ["pretrain", *STANDARD[:4], "--offline", str(folder), "--verify", *QUICK, "--out", str(out)]
    code, text, _ = run(args, capsys)
    assert code == 0
    assert "3 different ones of " in text
    assert "2 iterations, 3 different samples" in text
    assert load_checkpoint(out)["rasd"]["samples_different"] == 3


def test_planned_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    data: TinyDataset = tiny_dataset(tmp_path, monkeypatch)
    plan = ["--dataset", str(data.id), "-c", "3d_fullres"]
    folder = str(tmp_path / "s")
    synthesize = ["synthesize", *plan, "--classes", "4", "--device", "cpu", "--out", folder, "--views", "2"]
    assert run([*synthesize, "--n", "2", "--workers", "1"], capsys)[0] == 0
    contrastive = ["--objective", "contrastive", "--offline", folder, *QUICK]
    assert run(["pretrain", *plan, *contrastive], capsys)[0] == 0
    path = data.root / "checkpoints" / data.name / "nnUNetPlans__3d_fullres.pth"
    objective = load_checkpoint(path)["rasd"]["objective"]
    assert (objective["name"], objective["temperature"]) == ("supervised_contrastive", 0.33)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--patch", "32"], "other shape [16, 16, 16], expected [32, 32, 32]"),
        (["--patch", "16", "--channels", "2"], "other channels 1, expected 2"),
        (["--patch", "16", "--classes", "6"], "other classes 4, expected 6"),
        (["--patch", "16", "--preset", "paper"], "--preset contradicts --offline"),
        (["--patch", "16", "--set", "blur.sigma=[0,1,vox]"], "--set contradicts --offline"),
        (["--patch", "16", "--objective", "contrastive"], "Synthesise with --views 2"),
        (["--patch", "16", "--objective", "contrast"], "objective is 'contrast', expected one of prototypes"),
        (["--patch", "16", "--push", "me/rasd"], "cannot publish to 'me/rasd', expected hf://owner/name"),
    ],
)
def test_contradictions_are_one_line(
    folder: Path, tmp_path: Path, args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["pretrain", "-d", "3d", *args, "--offline", str(folder), *QUICK, "--out", str(tmp_path / "a.pth")]
    code, out, err = run(asked, capsys)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not (tmp_path / "a.pth").exists()


def test_damaged_folder_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "sample_000001.npz").unlink()
    code, _, err = run(["pretrain", *STANDARD[:4], "--offline", str(folder), *QUICK], capsys)
    assert code == 2
    assert err.startswith(f"error: {folder / 'sample_000001.npz'} is missing. Give the `rasd_nnu synthesize` command")
