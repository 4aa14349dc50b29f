"""Full, read-only and wrong targets: one line, exit code 2, nothing half written."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content, load_checkpoint
from rasd_nnu.cli.main import main
from rasd_nnu.errors import CheckpointError
from rasd_nnu.files import explained, write_text
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import planned_target
from rasd_nnu.pretrain.monitor import Monitor
from tests.helpers import TinyDataset, tiny_dataset
from tests.pretrain.loop_parts import Watcher, start, tiny_recipe
from tests.safety.mutate import files_below
from tests.safety.parts import trained_model

Refused = Callable[..., str]
SHEET = ["preview", "--shape", "32,40", "--samples", "1", "--classes", "2"]


def summary(path: Path, score: float) -> Path:
    counts = {"Dice": score, "IoU": score, "TP": 10, "FP": 0, "FN": 0, "TN": 9, "n_pred": 10, "n_ref": 10}
    cases = [
        {"prediction_file": f"/p/c{i}.nii.gz", "reference_file": f"/r/c{i}.nii.gz", "metrics": {"1": counts}}
        for i in range(4)
    ]
    path.write_text(json.dumps({"metric_per_case": cases, "mean": {"1": counts}, "foreground_mean": counts}))
    return path


@pytest.fixture
def arms(tmp_path: Path) -> list[str]:
    a, b = summary(tmp_path / "a.json", 0.5), summary(tmp_path / "b.json", 0.6)
    return ["compare", "--a", str(a), "--b", str(b)]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    return tiny_dataset(tmp_path, monkeypatch)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    start(tmp_path / "made" / "a.pth", recipe=tiny_recipe(iterations=1))
    return tmp_path / "made" / "a.pth"


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Free space"),
        (errno.EROFS, "Choose another place"),
        (errno.EACCES, "permissions"),
        (errno.ENOTDIR, "A folder is needed"),
        (errno.EISDIR, "name of a file"),
        (errno.EIO, "Check the path"),
    ],
)
def test_a_refusal_says_the_file_the_reason_and_the_fix(number: int, advice: str) -> None:
    shown = str(explained(OSError(number, os.strerror(number), "/a/b")))
    assert shown.startswith(f"cannot use /a/b: {os.strerror(number)}. ") and advice in shown
    assert "a file or the output" in str(explained(OSError(number, os.strerror(number))))


def test_a_full_disk_is_reported_with_the_file_that_was_asked_for(full_disk: Path) -> None:
    with pytest.raises(OSError) as caught:
        write_text(full_disk / "a.json", "x" * 100_000)
    assert caught.value.filename == str(full_disk / "a.json")
    assert [path.name for path in full_disk.iterdir()] == ["filler"]


def test_commands_on_a_full_disk(
    full_disk: Path,
    arms: list[str],
    data: TinyDataset,
    checkpoint: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "sheet.png: No space left" in refused(*SHEET, "--out", full_disk / "sheet.png")
    assert "No space left" in refused(*SHEET, "--nifti", full_disk / "pairs")
    assert "c.json: No space left" in refused(*arms, "--json", full_disk / "c.json")
    assert "c.csv: No space left" in refused(*arms, "--csv", full_disk / "c.csv")
    convert = ["convert", checkpoint, "--dataset", data.name, "-c", "3d_fullres", "--require", "0"]
    assert "o.pth: No space left" in refused(*convert, "--out", full_disk / "o.pth")
    samples = ["synthesize", "-d", "2d", "--patch", "32", "--n", "1", "--device", "cpu"]
    assert "GB free" in refused(*samples, "--out", full_disk / "samples")
    monkeypatch.setenv("RASD_CHECKPOINTS", str(full_disk))
    assert "arms.json: No space left" in refused("arms", "add", "mine", "--checkpoint", checkpoint)
    assert not [path for path in full_disk.rglob("*") if path.is_file() and path.name != "filler"]


def test_an_export_to_a_full_disk(full_disk: Path, data: TinyDataset, refused: Refused) -> None:
    model = trained_model(data)
    assert "No space left" in refused("export", model, "--out", full_disk / "out")
    assert [path.name for path in full_disk.rglob("*") if path.is_file()] == ["filler"]


def test_a_plan_on_a_full_disk(
    small_disk: Path, data: TinyDataset, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    like = data.root / "like.pth"
    target = planned_target(data.name, "3d_fullres")
    atomic_save(checkpoint_content(build_network(target), target, {}), like)
    shutil.copytree(data.preprocessed.parent, small_disk / "preprocessed")
    monkeypatch.setenv("nnUNet_preprocessed", str(small_disk / "preprocessed"))
    before = files_below(small_disk)
    with (small_disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(4096))
    assert "rasdPlans_like.json: No space left" in refused("plan", data.name, "--like", like)
    (small_disk / "filler").unlink()
    assert files_below(small_disk) == before


def test_a_file_where_a_folder_is_needed(
    tmp_path: Path, arms: list[str], checkpoint: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    assert "A folder is needed" in refused(*SHEET, "--out", file / "x.png")
    assert "A folder is needed" in refused(*SHEET, "--nifti", file, "--overwrite")
    assert "its folder does not exist" in refused(*arms, "--json", file / "x.json")
    assert "A folder is needed" in refused("demo", "--out", file)
    monkeypatch.setenv("RASD_CHECKPOINTS", str(file))
    assert "A folder is needed" in refused("arms", "add", "mine", "--checkpoint", checkpoint)
    pretrain = ["pretrain", "-d", "2d", "--patch", "32", "--iterations", "1", "--device", "cpu"]
    assert "A folder is needed" in refused(*pretrain)
    (tmp_path / "o.tensorboard").write_text("mine")
    assert "o.tensorboard: File exists" in refused(*pretrain, "--out", tmp_path / "o.pth")
    assert file.read_text() == (tmp_path / "o.tensorboard").read_text() == "mine"


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "rasd_nnu.cli.main", "tasks", "list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr and "Traceback" not in done.stderr


def test_a_run_outlives_a_full_disk_and_says_so_once(small_disk: Path, tmp_path: Path) -> None:
    filler = small_disk / "filler"
    out = small_disk / "a.pth"

    def fill_and_free(done: int) -> None:
        if done == 3:
            with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
                while True:
                    file.write(bytes(4096))
        elif done == 33:
            filler.unlink()

    watcher = Watcher(fill_and_free)
    result = start(out, recipe=tiny_recipe(iterations=40), save_every=10, display=watcher)
    told = [message for message in watcher.messages if message.startswith("warning")]
    assert any("curves" in message for message in told) and any("next save tries again" in m for m in told)
    assert sum("curves" in message for message in told) == 1
    assert result.iterations == 40
    assert load_checkpoint(out)["rasd"]["finished"]
    assert steps(small_disk / "a.tensorboard")[-1] == 40


def steps(folder: Path) -> list[int]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [point.step for point in events.Scalars("separation")]


def test_a_run_that_cannot_save_at_its_end_fails_in_one_line(full_disk: Path, tmp_path: Path) -> None:
    (full_disk / "filler").write_bytes(bytes(220_000))
    with pytest.raises(CheckpointError, match=r"a\.pth|a\.resume\.pth"):
        start(full_disk / "a.pth", recipe=tiny_recipe(iterations=2))


def test_a_record_that_was_cut_off_does_not_hide_later_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monitor = Monitor(tmp_path, 0, told.append)
    monitor.scalars(1, {"separation": 1.0})
    file: Any = monitor._file

    class Full:
        name = file.name

        def __getattr__(self, name: str) -> Any:
            return getattr(file, name)

        def write(self, data: bytes) -> int:
            file.write(data[:3])
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(monitor, "_file", Full())
    monitor.scalars(2, {"separation": 1.0})
    monkeypatch.setattr(monitor, "_file", file)
    monitor.scalars(3, {"separation": 1.0})
    monitor.close()
    assert steps(tmp_path) == [1, 3]
    assert len(told) == 1


@pytest.mark.parametrize("name", ["y", "x.exe", "x.PNG.", ".png"])
def test_a_picture_goes_to_the_file_that_was_named_or_nowhere(tmp_path: Path, name: str, refused: Refused) -> None:
    (tmp_path / f"{name}.png").write_text("mine")
    before = sorted(path.name for path in tmp_path.iterdir())
    assert "expected a name that ends in .png, .pdf, .svg" in refused(*SHEET, "--out", tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (tmp_path / f"{name}.png").read_text() == "mine"


def test_a_comparison_overwrites_none_of_its_inputs(tmp_path: Path, arms: list[str], refused: Refused) -> None:
    before = {path: path.read_text() for path in tmp_path.glob("*.json")}
    (tmp_path / "link.json").symlink_to("a.json")
    groups = tmp_path / "groups.csv"
    groups.write_text("case,group\n" + "".join(f"c{i},{i}\n" for i in range(4)))
    for option, name in (("--json", "a.json"), ("--csv", "b.json"), ("--json", "link.json")):
        assert "is an input of the comparison" in refused(*arms, option, tmp_path / name, "--overwrite")
    options = [*arms, "--groups", groups, "--csv", groups, "--overwrite"]
    assert "is an input of the comparison" in refused(*options)
    assert {path: path.read_text() for path in before} == before
    same = ["--json", tmp_path / "c.x", "--csv", tmp_path / "." / "c.x"]
    assert "is named for two outputs" in refused(*arms, *same)
    assert not (tmp_path / "c.x").exists()


def test_places_that_are_none(tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASD_CHECKPOINTS", "~nobody_of_this_name/x")
    assert "no such home folder" in refused("arms", "list")
    monkeypatch.delenv("RASD_CHECKPOINTS")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # what it does without HOME and an entry of the user
    assert "Set HOME" in refused("arms", "list")


@pytest.mark.parametrize("more", [[], ["--name-a", "Ünï"]])
def test_an_ascii_terminal_shows_what_it_can(arms: list[str], more: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii", write_through=True))
    with pytest.raises(SystemExit) as end:
        main([*arms, *more])
    assert end.value.code == 0
    assert shown.getvalue().isascii() and b"Dice per case" in shown.getvalue()
