from __future__ import annotations

import os
from pathlib import Path

import pytest

from rasd_nnu.workflows.study.jobs import Job
from rasd_nnu.workflows.study.launch import run_job
from rasd_nnu.workflows.study.requeue import OUT_OF_TIME
from rasd_nnu.workflows.study.state import log_path, read_state
from tests.workflows.study.conftest import write_jobs

STOPPED = "kill -USR1 $PPID; sleep 5"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `scontrol` that notes what it is asked for, and fails if a file says so."""
    noted = tmp_path / "asked"
    noted.touch()
    program = tmp_path / "bin/scontrol"
    program.parent.mkdir()
    refuse = f"if test -f {tmp_path}/refuse; then echo disabled >&2; exit 1; fi"
    program.write_text(f"#!/bin/sh\necho $* >> {noted}\n{refuse}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    return noted


def _run(folder: Path, script: str) -> int:
    job = Job("pretrain", "one", ("sh", "-c", script), products=("made",), owns=("kept.pth", "fold_0"))
    write_jobs(folder, [job])
    return run_job(folder, job.id, job.command)


@pytest.mark.parametrize("save", ["touch kept.pth", "mkdir -p fold_0 && touch fold_0/checkpoint_latest.pth"])
def test_a_job_that_saved_goes_back_into_the_queue(folder: Path, asked: Path, save: str) -> None:
    assert _run(folder, f"{save}; {STOPPED}") == OUT_OF_TIME
    assert asked.read_text() == "requeue 71\n"
    state = read_state(folder, "pretrain/one")
    assert state is not None and not state.attempts[-1].failed
    assert "job 71 goes back into the queue" in log_path(folder, "pretrain/one").read_text()


def test_a_job_that_got_no_further_does_not(folder: Path, asked: Path) -> None:
    """It would go round for ever: a validation that is longer than the time limit, for example."""
    old = folder / "kept.pth"
    old.touch()
    os.utime(old, (1, 1))
    assert _run(folder, STOPPED) == OUT_OF_TIME
    assert asked.read_text() == ""


def test_nor_does_one_that_ended_by_itself_or_outside_of_slurm(
    folder: Path, asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _run(folder, "touch kept.pth; exit 1") == 1
    monkeypatch.delenv("SLURM_JOB_ID")
    assert _run(folder, f"touch kept.pth; {STOPPED}") == OUT_OF_TIME
    assert asked.read_text() == ""


def test_a_cluster_that_refuses(folder: Path, asked: Path) -> None:
    asked.with_name("refuse").touch()
    assert _run(folder, f"touch kept.pth; {STOPPED}") == OUT_OF_TIME
    assert "`scontrol requeue 71` failed: disabled" in log_path(folder, "pretrain/one").read_text()
