"""Stages of the demo and of few-shot experiments: nothing stale, nothing of others removed, signals passed on."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from rasd_nnu.dataset_specs.phantom import write_phantom
from rasd_nnu.errors import DatasetError, LockError, SetupError
from rasd_nnu.locks import exclusive
from rasd_nnu.workflows import demo
from rasd_nnu.workflows.demo import DemoSettings, run_demo
from rasd_nnu.workflows.experiment.few_shot import few_shot_split
from rasd_nnu.workflows.experiment.job import Job, Needs


class Pipeline:
    """Two stages in a folder: ``first`` writes a number, ``second`` multiplies what ``first`` and a file say."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done = folder, list[str]()
        (folder / "input").write_text("10")

    def run(self, number: int, factor: int = 1) -> int:
        job = Job(self.folder, {}, Console(file=io.StringIO(), width=200))
        first, second, read = (self.folder / name for name in ("first", "second", "input"))

        def write_first() -> None:
            self.done.append("first")
            first.write_text(str(number))

        def write_second() -> None:
            self.done.append("second")
            assert not second.exists()
            second.write_text(str(int(first.read_text()) * int(read.read_text()) * factor))

        job.call("first", "", number, write_first, Needs(outputs=[first]))
        job.call("second", "", factor, write_second, Needs(["first"], [read], [second]))
        return int(second.read_text())


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


def test_a_stage_is_run_again_when_anything_that_it_depends_on_changes(pipeline: Pipeline) -> None:
    assert pipeline.run(2) == pipeline.run(2) == 20
    assert pipeline.done == ["first", "second"]
    assert pipeline.run(3) == 30, "the stage before"
    assert pipeline.run(3, factor=2) == 60, "its own request"
    (pipeline.folder / "input").write_text("100")
    assert pipeline.run(3, factor=2) == 600, "a file that it reads"
    (pipeline.folder / "second").unlink()
    assert pipeline.run(3, factor=2) == 600, "its result is gone"
    assert pipeline.done[2:] == ["first", *["second"] * 4]


@pytest.mark.parametrize("marker", ["{}", "[]", "no json", '{"request": 2, "seconds": 1.0}'])
def test_a_marker_of_another_kind_is_not_trusted(pipeline: Pipeline, marker: str) -> None:
    pipeline.run(2)
    (pipeline.folder / "second").write_text("7")
    (pipeline.folder / "stages" / "second.json").write_text(marker)
    if marker == "{}":
        with pytest.raises(SetupError, match="second exists, and no stage of this job made it"):
            pipeline.run(2)
    else:
        assert pipeline.run(2) == 20


def test_what_no_stage_made_is_not_removed(pipeline: Pipeline) -> None:
    (pipeline.folder / "first").write_text("mine")
    with pytest.raises(SetupError, match="first exists, and no stage of this job made it"):
        pipeline.run(2)
    assert (pipeline.folder / "first").read_text() == "mine"


def test_a_killed_stage_goes_on_with_what_it_has(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def stage(request: int, work: Callable[[], None]) -> None:
        job = Job(tmp_path, {}, Console(file=io.StringIO()))
        job.call("stage", "", request, work, Needs(outputs=[out]))

    def killed() -> None:
        out.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage(1, killed)
    seen: list[bool] = []
    stage(1, lambda: (seen.append(out.exists()), None)[1])
    stage(2, lambda: (seen.append(out.exists()), None)[1])
    assert seen == [True, False]


def test_variables_of_a_command_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "logs" / "stage.log"

    def run() -> int:
        job = Job(tmp_path, {"RASD_CHECKPOINTS": str(tmp_path / "c")}, Console(file=io.StringIO()))
        job.run("stage", "", ["python", "-c", "print('run')"], environment={"RASD_LR": "1"})
        return log.read_text().count("run")

    assert (run(), run()) == (1, 1)
    monkeypatch.setenv("RASD_WARMUP", "0.5")
    assert (run(), run()) == (2, 2)
    monkeypatch.setenv("RASD_DATA", "/elsewhere")
    assert run() == 2


def settings(**changes: int) -> DemoSettings:
    return DemoSettings(**{"labelled": 2, "held_out": 3, "pretrain_iterations": 2, "epochs": 1, **changes})


def test_the_demo_trains_again_on_another_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All stages run, with nnU-Net's programs replaced by ones that write what they would."""
    ran: list[str] = []

    def program(job: Job, name: str, command: list[str], variables: object) -> None:
        ran.append(name)
        dataset = job.folder / "nnUNet_preprocessed" / "Dataset900_Phantom"
        if name == "plan":
            raw = job.folder / "nnUNet_raw" / dataset.name
            dataset.mkdir(parents=True)
            for file in ("dataset.json", "splits_final.json"):
                (dataset / file).write_bytes((raw / file).read_bytes())
            (dataset / "nnUNetPlans.json").write_text("{}")
        elif name == "pretrain":
            for file in (checkpoint, checkpoint.with_name("a.resume.pth")):
                file.parent.mkdir(exist_ok=True)
                file.touch()
        else:
            trainer = command[command.index("-tr") + 1]
            model = job.folder / "nnUNet_results" / dataset.name / f"{trainer}__nnUNetPlans__3d_fullres_compact"
            folder = model / "fold_0"
            assert not folder.exists() and "--c" not in command
            folder.mkdir(parents=True)
            (folder / "checkpoint_final.pth").touch()

    checkpoint = tmp_path / "checkpoints" / "a.pth"
    monkeypatch.setattr(Job, "_execute", program)
    monkeypatch.setattr(demo, "planned_target", lambda *arguments: None)
    monkeypatch.setattr(demo, "default_path", lambda target: checkpoint)
    monkeypatch.setattr(demo, "_add_compact", lambda folder, configuration: None)
    monkeypatch.setattr(demo, "_compare", lambda *arguments: None)
    monkeypatch.setattr("rasd_nnu.workflows.report.write_report", lambda *arguments: None)
    monkeypatch.setattr(demo.os, "environ", dict(os.environ))
    monkeypatch.delenv("RASD_DATA", raising=False)
    write_phantom(tmp_path / "nnUNet_raw", cases=8)

    def run(**changes: int) -> list[str]:
        ran.clear()
        run_demo(tmp_path, None, settings(**changes), Console(file=io.StringIO()))
        return list(ran)

    trainings = ["rasd_seed0", "scratch_seed0"]
    assert run() == ["plan", "pretrain", *trainings]
    assert run() == []
    assert run(labelled=3) == trainings
    (split,) = json.loads((tmp_path / "nnUNet_preprocessed/Dataset900_Phantom/splits_final.json").read_text())
    assert len(split["train"]) == 3 and not set(split["train"]) & set(split["val"])
    assert run(labelled=3, pretrain_iterations=3) == ["pretrain", "rasd_seed0"]


@pytest.mark.parametrize(
    "option",
    ["--seeds=-1", "--seeds=0,0", "--seeds=9999999999999999999", "--epochs=9999999999", "--iterations=9999999999"],
)
def test_a_demo_whose_trainers_could_not_be_named_does_not_begin(
    tmp_path: Path, option: str, refused: Callable[..., str]
) -> None:
    refused("demo", "--out", tmp_path / "demo", option)
    assert not list(tmp_path.iterdir())


def test_a_second_demo_in_the_folder_is_refused(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(LockError, match="is in use by another run"):
        run_demo(tmp_path, None, settings(), Console(file=io.StringIO()))
    assert not list(tmp_path.iterdir())


def test_held_out_cases_of_one_patient_are_refused_before_the_work(tmp_path: Path) -> None:
    rows = [f"case_{k},{k // 3}" for k in range(12)]
    (tmp_path / "cases.csv").write_text("\n".join(["case,group", *rows]))
    with pytest.raises(DatasetError, match=r"2 held-out cases are of one patient.* at least 4"):
        few_shot_split(tmp_path / "cases.csv", 2, 2)
    assert len(few_shot_split(tmp_path / "cases.csv", 2, 4).held_out) == 4


PARENT = """
import io, sys
from pathlib import Path
from rich.console import Console
from rasd_nnu.workflows.experiment.job import Job
Job(Path(sys.argv[1]), {}, Console()).run("stage", "", ["python", "-c", sys.argv[2]])
"""
CHILD = """
import os, signal, sys, time
from pathlib import Path
def stop(number, frame):
    Path("stopped").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
Path("running").write_text(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_program_and_the_stage_is_not_done(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path), CHILD]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "running").exists() or not (tmp_path / "running").read_text():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert f"stopped by {number.name}; the same command goes on" in out
    assert (tmp_path / "stopped").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "running").read_text()), 0)
    assert json.loads((tmp_path / "stages" / "stage.json").read_text())["seconds"] is None
