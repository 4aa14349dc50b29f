from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rasd_nnu.cli.main import main
from rasd_nnu.workflows.study.config import StudyConfig, read_config
from rasd_nnu.workflows.study.jobs import Grid, Job
from rasd_nnu.workflows.study.workflow import write_workflow

STUDY = """\
name: tiny
tasks: [{task: msd04_hippocampus, configurations: [2d], compact: {features: 4, batch_size: 2}}]
arms:
  rasd: {start: rasd}
  scratch: {start: scratch}
seeds: [0, 1]
labelled: [2, 4]
budgets: [3x4]
pretrain: {iterations: 20}
machine: {device: cpu}
"""


@pytest.fixture(autouse=True)
def no_folders_of_a_person(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "RASD_DATA", "RASD_SPECS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RASD_CHECKPOINTS", str(tmp_path / "registry"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a study.yaml."""
    place = tmp_path / "study"
    place.mkdir()
    (place / "study.yaml").write_text(STUDY)
    return place


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command of studies that must be refused: one line, exit code 2."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["study", *arguments])
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        return line

    return run


def write_jobs(folder: Path, jobs: list[Job], **changes: object) -> StudyConfig:
    """Write the workflow of a study with these jobs instead of its own."""
    config = read_config(folder).model_copy(update=changes)
    write_workflow(folder, config, Grid({job.id: job for job in jobs}, (), {}), 2)
    return config
