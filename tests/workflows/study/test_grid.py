from __future__ import annotations

import re
from pathlib import Path

import pytest

from rasd_nnu.errors import ConfigError
from rasd_nnu.workflows.study.config import read_config
from rasd_nnu.workflows.study.draw import Draw
from rasd_nnu.workflows.study.grid import build_grid
from rasd_nnu.workflows.study.jobs import Grid
from rasd_nnu.workflows.study.run import plan_study
from tests.workflows.study.conftest import STUDY

HIPPOCAMPUS = "Dataset004_Hippocampus"


def _grid(folder: Path, *changes: tuple[str, str]) -> Grid:
    text = STUDY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "study.yaml").write_text(text)
    return plan_study(folder).grid


def _of(grid: Grid, stage: str) -> list[str]:
    return [name for name, job in grid.jobs.items() if job.stage == stage]


def test_a_grid_has_a_training_for_each_cell_and_shares_the_rest(folder: Path) -> None:
    grid = _grid(folder)
    counts = {stage: len(_of(grid, stage)) for stage in ("prepare", "plan", "split", "pretrain", "finetune", "report")}
    assert counts == {"prepare": 1, "plan": 1, "split": 1, "pretrain": 1, "finetune": 8, "report": 1}
    assert {(u.record.arm, u.record.n, u.record.seed) for u in grid.units} == {
        (arm, n, seed) for arm in ("rasd", "scratch") for n in (2, 4) for seed in (0, 1)
    }
    assert len({product for job in grid.jobs.values() for product in job.products}) == len(grid.jobs)


def test_what_learned_from_cases_is_shared_only_where_they_are_trained_on(folder: Path) -> None:
    cases = ("{iterations: 20}", "{iterations: 20, maps: cases}")
    grid = _grid(folder, cases)
    assert len(_of(grid, "pretrain")) == 4  # two counts, two seeds
    for unit in grid.units:
        job = grid.jobs[unit.job]
        fold = job.command[job.command.index("-f") + 1]
        for other in job.after:
            if other.startswith("pretrain/"):
                command = grid.jobs[other].command
                assert command[command.index("-f") + 1] == fold
    everything = _grid(folder, cases, ("labelled: [2, 4]", "labelled: [all]"))
    assert len(_of(everything, "pretrain")) == 1  # all seeds train on the same cases


def test_total_compute_adds_the_steps_of_the_pretraining(folder: Path) -> None:
    grid = _grid(folder, ("{start: scratch}", "{start: scratch}\n  longer: {start: scratch, compute: total}"))
    job = next(grid.jobs[u.job] for u in grid.units if u.record.arm == "longer")
    assert job.command[job.command.index("--epochs") + 1] == "8"  # 3, and 20 steps in epochs of 4
    assert "--allow-recipe-diff" in grid.jobs["compare/all"].command


@pytest.mark.parametrize("name", ["two_tasks", "paper", "transfer"])
def test_the_studies_of_the_benchmarks_can_be_planned(folder: Path, name: str) -> None:
    text = (Path(__file__).parents[3] / f"benchmarks/studies/{name}.yaml").read_text()
    (folder / "study.yaml").write_text(text)
    grid = plan_study(folder).grid
    assert len(grid.units) == {"two_tasks": 24, "paper": 56 * 6 * 3, "transfer": 4 * 3 * 3 * 2}[name]
    assert ("--allow-recipe-diff" in grid.jobs["compare/all"].command) == (name == "paper")


def test_another_seed_changes_no_training_that_is_there(folder: Path) -> None:
    before = _grid(folder)
    config = read_config(folder).model_copy(update={"seeds": (2, 0, 1), "labelled": (3, 2, 4)})
    after = build_grid(config, plan_study(folder).tasks, before.draws)
    assert {u.job: before.jobs[u.job].stamp for u in before.units} == {
        u.job: after.jobs[u.job].stamp for u in after.units if u.job in before.jobs
    }
    assert after.draws[HIPPOCAMPUS][:4] == before.draws[HIPPOCAMPUS]
    assert after.draws[HIPPOCAMPUS][4] == Draw(0, 3, 2)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("{iterations: 20}", "{iterations: 30}", {"rasd"}),
        ("{features: 4,", "{features: 8,", {"rasd", "scratch"}),
        ("{start: scratch}", "{start: scratch, finetune: {warmup: 0}}", {"scratch"}),
        ("machine: {device: cpu}", "machine: {device: cpu, memory_gb: 3}", set()),
        ("name: tiny", "drop: [checkpoints]\nname: tiny", set()),
    ],
)
def test_what_changes_is_trained_again(folder: Path, old: str, new: str, changed: set[str]) -> None:
    before, after = _grid(folder), _grid(folder, (old, new))
    stamps = [{u.record: g.jobs[u.job].stamp for u in g.units} for g in (before, after)]
    assert {record.arm for record in stamps[0] if stamps[0][record] != stamps[1].get(record)} == changed


def test_commands_are_ordinary_ones(folder: Path) -> None:
    grid = _grid(folder)
    programs = {re.sub(r"^env ([A-Za-z_]+=\S+ )+", "", job.line).split()[0] for job in grid.jobs.values()}
    assert programs == {"rasd_nnu"}
    job = next(grid.jobs[u.job] for u in grid.units if u.record.arm == "scratch")
    assert job.line.endswith(
        "rasd_nnu finetune Dataset004_Hippocampus -c 2d_compact -p nnUNetPlans --arm scratch -f 0 --seed 0 --epochs 3 "
        "--iterations 4 --device cpu --resume"
    )


@pytest.mark.parametrize(
    ("task", "labelled", "folder_name", "record"),
    [
        ("pneumoniamnist", "[10]", "RaSDClassifier_n10_3epochs_seed0", "predictions.csv"),
        ("bccd", "[4]", "RaSDDetector_n4_3epochs_seed0", "detections.json"),
    ],
)
def test_classification_and_detection_take_the_prepared_folds(
    folder: Path, task: str, labelled: str, folder_name: str, record: str
) -> None:
    grid = _grid(folder, ("task: msd04_hippocampus", f"task: {task}"), ("[2, 4]", labelled), ("[0, 1]", "[0]"))
    assert not _of(grid, "split")
    job = next(grid.jobs[u.job] for u in grid.units if u.record.arm == "rasd")
    (product,) = job.products
    assert f"/{folder_name}__nnUNetPlans__2d_compact/fold_0/validation/{record}" in product
    assert "--iterations" not in job.command


@pytest.mark.parametrize(
    ("task", "old", "new", "said"),
    [
        ("pneumoniamnist", "seeds:", "validation_cases: 3\nseeds:", "is classification, whose training has no valid"),
        ("pneumoniamnist", "{start: scratch}", "{start: scratch, mix: curve}", "whose training has no mix"),
        ("bccd", "seeds:", "validation_cases: 3\nseeds:", "is detection, whose training has no validation_cases"),
    ],
)
def test_what_other_tasks_cannot_do_is_refused(folder: Path, task: str, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _grid(folder, ("task: msd04_hippocampus", f"task: {task}"), (old, new))
