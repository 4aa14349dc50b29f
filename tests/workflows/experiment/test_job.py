from __future__ import annotations

import io

import pytest
from rich.console import Console

from rasd_nnu.errors import SetupError
from rasd_nnu.workflows.experiment.job import Job


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path, {"RASD_TEST": "seen"}, Console(file=io.StringIO(), width=200))


def test_a_finished_stage_is_skipped_until_its_request_changes(job):
    done = []
    for request in ([1], [1], [2]):
        job.call("stage", "text", request, lambda: done.append(1))
    assert len(done) == 2


def test_a_failed_stage_is_run_again(job):
    def fail():
        raise SetupError("no")

    with pytest.raises(SetupError):
        job.call("stage", "text", [], fail)
    done = []
    job.call("stage", "text", [], lambda: done.append(1))
    assert done == [1]


def test_a_command_gets_the_environment_and_leaves_a_log(job, tmp_path):
    job.run("shell", "text", ["python", "-c", "import os; print(os.environ['RASD_TEST'])"])
    assert (tmp_path / "logs" / "shell.log").read_text() == "seen\n"


def test_a_failing_command_shows_the_end_of_its_output(job):
    with pytest.raises(SetupError, match="shell failed with exit code 3"):
        job.run("shell", "text", ["python", "-c", "print('the reason'); raise SystemExit(3)"])
    assert "the reason" in job.console.file.getvalue()
