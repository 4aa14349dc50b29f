"""A study of a classification data set, from its jobs' commands to its records."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.cli.main import main
from rasd_nnu.records.classification import read_predictions
from rasd_nnu.workflows.study.collect import collect
from rasd_nnu.workflows.study.launch import run_job
from rasd_nnu.workflows.study.run import check_study, plan_study
from rasd_nnu.workflows.study.workflow import write_workflow
from tests.helpers import TinyDataset, tiny_dataset

CASES = 4  # of `tiny_dataset`
STUDY = """\
name: answers
tasks: [{{task: {dataset}, configurations: [3d_fullres]}}]
arms: {{rasd: {{start: rasd}}, scratch: {{start: scratch}}}}
seeds: [3]
labelled: [2]
budgets: [1x1]
pretrain: {{iterations: 1, batch_size: 2}}
machine: {{device: cpu}}
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    """A planned data set with two classes, half of it to validate."""
    tiny = tiny_dataset(tmp_path / "elsewhere", monkeypatch, preprocess=("3d_fullres",))
    content = json.loads((tiny.raw / "dataset.json").read_text())
    content |= {"task": "classification", "classes": {"label": {"small": 0, "large": 1}}}
    (tiny.raw / "dataset.json").write_text(json.dumps(content))
    names = sorted(path.name.removesuffix("_0000.nii.gz") for path in (tiny.raw / "imagesTr").glob("*_0000.nii.gz"))
    with (tiny.raw / "cases.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["case", "group", "split", "label"])
        table.writerows([name, name, "train", i % 2] for i, name in enumerate(names))
    half = CASES // 2
    (tiny.raw / "splits_final.json").write_text(json.dumps([{"train": names[:half], "val": names[half:]}]))
    return tiny


def _here(folder: Path, command: Sequence[str], environment: dict[str, str], log: Any) -> int:
    """Run a command of ours in this process, which has loaded all that it needs."""
    if command[0] != "rasd_nnu":
        return subprocess.run(command, cwd=folder, check=False).returncode
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            main(list(command[1:]))
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


def test_both_arms_end_in_records(folder: Path, data: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "study.yaml").write_text(STUDY.format(dataset=data.id))
    (folder / "nnUNet_preprocessed").symlink_to(data.preprocessed.parent)
    planned = plan_study(folder)
    check_study(planned)
    write_workflow(folder, planned.config, planned.grid, 1)
    monkeypatch.setattr("rasd_nnu.workflows.study.launch._execute", _here)
    for name, job in planned.grid.jobs.items():
        if job.stage in ("prepare", "pretrain", "finetune"):  # it is planned
            assert run_job(folder, name, job.command) == 0
    records, missing = collect(folder)
    assert missing == 0
    assert [(unit.arm, unit.n, unit.seed) for unit in records.units] == [("rasd", 2, 3), ("scratch", 2, 3)]
    for unit in records.units:
        assert len(read_predictions(folder / unit.path).cases) == CASES // 2
