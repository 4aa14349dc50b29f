from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rasd_nnu.locks import exclusive
from rasd_nnu.workflows.study.jobs import Job
from rasd_nnu.workflows.study.status import study_status
from rasd_nnu.workflows.study.workflow import LOCK_FILE
from tests.workflows.study.conftest import STUDY, write_jobs

DRIVER = Path(__file__).with_name("driver.py")


def _job(stage: str, script: str, *after: str) -> dict[str, object]:
    name = f"{stage}.txt"
    return {"stage": stage, "name": "one", "command": ["sh", "-c", script], "after": after, "products": [name]}


# The second job goes on where it was: it needs two starts, and then ends with what an uninterrupted one ends with.
JOBS = [
    _job("prepare", "echo prepared > prepare.txt; echo x >> prepare.count"),
    _job("plan", "test -f killed || { touch killed; sleep 600; }; cat prepare.txt > plan.txt", "prepare/one"),
    _job("pretrain", "echo 'no such case'; exit 1", "prepare/one"),
    _job("collect", "cat plan.txt > collect.txt", "plan/one"),
]


def _start(folder: Path, jobs: list[dict[str, object]]) -> subprocess.Popen[str]:
    file = folder / "jobs.json"
    file.write_text(json.dumps(jobs))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, str(DRIVER), str(folder), str(file)], start_new_session=True, **pipes)  # type: ignore[call-overload, no-any-return]


def test_a_killed_study_goes_on_and_one_bad_job_does_not_stop_the_rest(folder: Path) -> None:
    first = _start(folder, JOBS)
    deadline = time.monotonic() + 240
    while not (folder / "killed").is_file():
        assert first.poll() is None and time.monotonic() < deadline, first.communicate()[0]
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    counts = study_status(folder).counts
    assert counts["done"] == 1 and counts["running"] == 0

    second = _start(folder, JOBS)
    said, _ = second.communicate(timeout=240)
    assert second.returncode == 1, said
    status = {job.job: job for job in study_status(folder).jobs}
    assert [status[f"{stage}/one"].kind for stage in ("prepare", "plan", "collect")] == ["done"] * 3
    assert (status["pretrain/one"].kind, status["pretrain/one"].failures) == ("failed", 3)
    assert status["pretrain/one"].line == "no such case"
    assert (folder / "prepare.count").read_text() == "x\n"  # not done again
    assert (folder / "collect.txt").read_text() == "prepared\n"


def test_a_second_run_is_refused(folder: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rasd_nnu.workflows.study.run.check_study", lambda planned: None)
    with exclusive(folder):
        assert f"{folder} is in use by another run" in refused("run", str(folder))
    assert not (folder / LOCK_FILE).exists()


def test_the_folder_of_another_study(folder: Path, refused: Callable[..., str]) -> None:
    write_jobs(folder, [])
    (folder / "study.yaml").write_text(STUDY.replace("name: tiny", "name: other"))
    assert f"{folder} holds the study 'tiny', but study.yaml is of 'other'" in refused("show", str(folder))


def test_more_labelled_cases_than_there_are(
    folder: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = folder / "raw"
    cases = [f"case_{i}" for i in range(6)]
    dataset = raw / "Dataset901_Mine"
    dataset.mkdir(parents=True)
    (dataset / "dataset.json").write_text("{}")
    (dataset / "splits_final.json").write_text(json.dumps([{"train": cases[:4], "val": cases[4:]}]))
    (dataset / "cases.csv").write_text("case,group\n" + "".join(f"{c},p{i // 2}\n" for i, c in enumerate(cases)))
    monkeypatch.setenv("nnUNet_raw", str(raw))
    asked = STUDY.replace("task: msd04_hippocampus", "task: 901").replace("[2, 4]", "[2, 5]")
    (folder / "study.yaml").write_text(asked)
    said = refused("show", str(folder))
    assert "5 are asked for, but there are 4 training cases of fold 0 of Dataset901_Mine, of 2 patients" in said
    (folder / "study.yaml").write_text(asked.replace("configurations: [2d], ", ""))
    assert "tasks: 901 has no dataset spec; say which 'configurations' to train" in refused("show", str(folder))


def test_a_source_that_lacks_files(folder: Path, refused: Callable[..., str]) -> None:
    source = folder / "Task04_Hippocampus"
    names = [f"hippocampus_{i:03}.nii.gz" for i in range(10)]
    for part in ("imagesTr", "labelsTr"):
        (source / part).mkdir(parents=True)
        for name in names[:9]:
            (source / part / name).touch()
    entries = [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names]
    labels = {"0": "background", "1": "Anterior", "2": "Posterior"}
    (source / "dataset.json").write_text(json.dumps({"modality": {"0": "MRI"}, "labels": labels, "training": entries}))
    asked = STUDY.replace("task: msd04_hippocampus", f"task: msd04_hippocampus, source: {source}")
    (folder / "study.yaml").write_text(asked)
    said = refused("run", str(folder))
    assert f"the source of msd04_hippocampus: {source}/imagesTr/hippocampus_009.nii.gz is missing, and so are 1" in said
    assert not (folder / LOCK_FILE).exists()


def test_what_is_run_again_is_said_with_the_reason(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rasd_nnu.workflows.study.jobs import Grid
    from rasd_nnu.workflows.study.launch import run_job
    from rasd_nnu.workflows.study.run import Planned, tell_plan, to_do
    from rasd_nnu.workflows.study.workflow import read_lock

    jobs = [Job("plan", name, ("sh", "-c", f"touch {name}"), products=(name,)) for name in "abc"]
    config = write_jobs(folder, jobs)
    for job in jobs:
        run_job(folder, job.id, job.command)
    (folder / "b").unlink()
    jobs[2] = Job("plan", "c", ("sh", "-c", "touch  c"), products=("c",))
    changed = config.model_copy(update={"seeds": (0, 7)})
    planned = Planned(folder, changed, (), Grid({job.id: job for job in jobs}, (), {}), read_lock(folder))
    said: list[str] = []
    tell_plan(planned, to_do(planned), said.append)
    assert "changed since the last run: seeds.1: 1 -> 7" in said
    assert "plan          3 jobs, 1 done, 2 to do" in said
    assert "again: plan/b: lacks its product b" in said
    assert "again: plan/c: was done otherwise than it is asked for now" in said
