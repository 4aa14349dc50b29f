from __future__ import annotations

import importlib.resources
import json
from pathlib import Path

import pytest

from rasd_nnu.workflows.study import estimate as module
from rasd_nnu.workflows.study.estimate import describe, estimate
from rasd_nnu.workflows.study.run import plan_study, to_do
from tests.workflows.study.conftest import STUDY

ROOT = Path(__file__).parents[3]


def test_the_steps_are_those_that_were_measured() -> None:
    text = importlib.resources.files("rasd_nnu.workflows.study").joinpath(module.STEPS_FILE).read_text()
    steps = json.loads(text)
    measured = json.loads((ROOT / steps["source"]).read_text())["results"]
    assert steps["steps"]["3d"]["seconds"] == pytest.approx(measured["plain_64x64x64_b2"]["iteration_s"], rel=1e-3)
    assert steps["steps"]["2d"]["seconds"] == pytest.approx(measured["plain_256x256_b4"]["iteration_s"], rel=1e-3)


def test_hours_are_steps_times_seconds(folder: Path) -> None:
    text = STUDY.replace(", compact: {features: 4, batch_size: 2}", "")
    (folder / "study.yaml").write_text(text + "step_seconds: {2d: 36}\n")
    planned = plan_study(folder)
    found = estimate(planned, to_do(planned))
    assert found.trainings == 8 and found.device == "as step_seconds says"
    assert found.hours == {"pretrain": pytest.approx(0.2), "finetune": pytest.approx(8 * 12 / 100)}
    # 33.5 million weights, 3 numbers of 4 bytes each, 2 files, of 8 trainings and a pre-training
    assert found.checkpoints_gib == pytest.approx(9 * 33.5e6 * 24 / 2**30)
    assert "8 trainings, 1.2 device hours" in next(iter(describe(planned, to_do(planned))))


def test_a_step_grows_with_voxels_batch_and_features(folder: Path) -> None:
    seconds = []
    for compact in ("", ", compact: {features: 16, batch_size: 6}"):
        (folder / "study.yaml").write_text(STUDY.replace(", compact: {features: 4, batch_size: 2}", compact))
        planned = plan_study(folder)
        seconds.append(estimate(planned, to_do(planned)).hours["finetune"])
    assert seconds[1] == pytest.approx(seconds[0] / 4)
