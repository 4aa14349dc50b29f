from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rasd_nnu.errors import ConfigError, LockError
from rasd_nnu.locks import exclusive
from rasd_nnu.workflows.study.jobs import Job
from rasd_nnu.workflows.study.launch import RUN_VARIABLE, run_job, visible_gpus
from rasd_nnu.workflows.study.state import log_path, read_state
from rasd_nnu.workflows.study.status import study_status
from tests.workflows.study.conftest import STUDY, write_jobs


def _job(script: str, **changes: object) -> Job:
    return Job("plan", "one", ("sh", "-c", script), products=("made",), **changes)  # type: ignore[arg-type]


def _run(folder: Path, job: Job) -> int:
    return run_job(folder, job.id, job.command)


def _kind(folder: Path) -> str:
    return study_status(folder).jobs[0].kind


def test_a_job_leaves_a_receipt_and_a_log(folder: Path) -> None:
    job = _job("echo working; echo $nnUNet_raw > made")
    write_jobs(folder, [job])
    assert _kind(folder) == "waiting"
    assert _run(folder, job) == 0
    receipt = json.loads((folder / "done/plan/one.json").read_text())
    assert receipt["stamp"] == job.stamp and receipt["products"] == ["made"]
    assert (folder / "made").read_text() == "nnUNet_raw\n"
    log = log_path(folder, job.id).read_text().splitlines()
    assert log[1] == "working" and log[2].startswith("== exit 0 after ")
    assert _kind(folder) == "done"
    (folder / "made").unlink()
    assert _kind(folder) == "stopped"


def test_a_job_that_fails_three_times_is_given_up_until_the_next_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = _job("echo no luck; exit 3")
    write_jobs(folder, [job])
    monkeypatch.setenv(RUN_VARIABLE, "first")
    assert [_run(folder, job) for _ in range(3)] == [3, 3, 3]
    (status,) = study_status(folder).jobs
    assert (status.kind, status.failures, status.line) == ("failed", 3, "no luck")
    with pytest.raises(ConfigError, match="plan/one has failed 3 times; its log is"):
        _run(folder, job)
    monkeypatch.setenv(RUN_VARIABLE, "second")
    assert _run(folder, job) == 3


def test_a_command_that_ends_well_without_its_product_has_failed(folder: Path) -> None:
    job = _job("true")
    write_jobs(folder, [job])
    assert _run(folder, job) == 1
    assert study_status(folder).jobs[0].line == "the command ended well, but did not write made"


def test_a_program_that_is_not_there(folder: Path) -> None:
    job = Job("plan", "one", ("no-such-program",), products=("made",))
    write_jobs(folder, [job])
    assert _run(folder, job) == 127
    assert study_status(folder).jobs[0].line == "cannot start no-such-program: No such file or directory"


def test_the_same_request_goes_on_and_another_one_starts_anew(folder: Path) -> None:
    job = _job("test -f part && touch made; touch part; test -f made", owns=("part", "made"))
    write_jobs(folder, [job])
    assert [_run(folder, job) for _ in range(2)] == [1, 0]
    other = _job("test -f part && touch made; touch part; test -f made;", owns=("part", "made"))
    write_jobs(folder, [other])
    assert _kind(folder) == "waiting"
    assert _run(folder, other) == 1
    assert "removes part, made for another request" in log_path(folder, job.id).read_text()


def test_only_what_the_study_says_decides(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASD_LR", "7")
    monkeypatch.setenv("nnUNet_n_proc_DA", "7")
    job = _job("env > made", variables={"RASD_WARMUP": "0"})
    write_jobs(folder, [job])
    assert _run(folder, job) == 0
    lines = (folder / "made").read_text().splitlines()
    assert "RASD_WARMUP=0" in lines
    assert not [line for line in lines if line.startswith(("RASD_LR", "nnUNet_n_proc_DA"))]


def test_dropped_files_are_gone_and_the_job_stays_done(folder: Path) -> None:
    job = _job("touch made checkpoint_1 checkpoint_2", drop=("checkpoint_*",))
    write_jobs(folder, [job])
    assert _run(folder, job) == 0
    assert not list(folder.glob("checkpoint_*"))
    assert json.loads((folder / "done/plan/one.json").read_text())["dropped"] == ["checkpoint_1", "checkpoint_2"]
    assert _kind(folder) == "done"


def test_a_study_that_changes_while_it_runs(folder: Path) -> None:
    job = _job("touch made")
    write_jobs(folder, [job])
    (folder / "study.yaml").write_text(STUDY + "# a comment changes nothing\n")
    assert _run(folder, job) == 0
    (folder / "study.yaml").write_text(STUDY.replace("seeds: [0, 1]", "seeds: [0, 1, 2]"))
    with pytest.raises(ConfigError, match=r"study.yaml has changed under the running study, so that plan/one is"):
        _run(folder, job)
    assert study_status(folder).changed
    with pytest.raises(ConfigError, match="has no job 'plan/two'"):
        run_job(folder, "plan/two", ["true"])


def _started(folder: Path, job: Job) -> subprocess.Popen[bytes]:
    """Start a job in a process of its own, and wait until it works."""
    program = "import sys; from pathlib import Path; from rasd_nnu.workflows.study.launch import run_job\n"
    program += "sys.exit(run_job(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))"
    process = subprocess.Popen([sys.executable, "-c", program, str(folder), job.id, *job.command], cwd=folder)
    for _ in range(1200):
        if (folder / "begun").is_file():
            return process
        time.sleep(0.05)
    raise AssertionError("the job did not begin")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_reaches_the_command_and_is_no_failure(folder: Path, sent: signal.Signals) -> None:
    name = sent.name.removeprefix("SIG")
    job = _job(f"trap 'touch made; echo saved; exit 0' {name}; touch begun; while :; do sleep 0.1; done")
    write_jobs(folder, [job])
    process = _started(folder, job)
    assert _kind(folder) == "running"
    process.send_signal(sent)
    assert process.wait(30) == 128 + sent  # although the command says that all is well
    (status,) = study_status(folder).jobs
    assert (status.kind, status.failures, status.line) == ("stopped", 0, "saved")


def test_nothing_trains_on_when_the_launcher_is_killed(folder: Path) -> None:
    job = _job("echo $$ > pid; touch begun; while :; do sleep 0.1; done")
    write_jobs(folder, [job])
    process = _started(folder, job)
    child = int((folder / "pid").read_text())
    process.kill()
    process.wait(30)
    for _ in range(600):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the command outlived its launcher")
    state = read_state(folder, job.id)
    assert state is not None and state.attempts[-1].end is None
    assert _kind(folder) == "stopped"


def test_a_job_that_runs_is_not_started_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = _job("touch made")
    write_jobs(folder, [job])
    monkeypatch.setattr("rasd_nnu.workflows.study.launch._WAIT_S", 0.0)
    with exclusive(folder / "state/plan/one.json"), pytest.raises(LockError, match="is in use by another run"):
        _run(folder, job)


def test_gpus_that_jobs_may_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "1,3"}) == ["1", "3"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho 'GPU 1: B (UUID: y)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert visible_gpus({}) == ["0", "1"]


def test_each_job_gets_a_gpu_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    jobs = [Job("plan", name, ("sh", "-c", "echo $CUDA_VISIBLE_DEVICES > made"), products=("made",)) for name in "ab"]
    write_jobs(folder, jobs)
    places = folder / "state/gpus"
    places.mkdir(parents=True)
    with exclusive(places / f"{os.uname().nodename}_4"):
        assert _run(folder, jobs[0]) == 0
    assert (folder / "made").read_text() == "5\n"
    assert _run(folder, jobs[1]) == 0
    assert (folder / "made").read_text() == "4\n"
