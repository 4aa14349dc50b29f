"""Few-shot transfer on small real data sets: does pre-training help, what should be transferred, by which recipe?

    RASD_DATA=... python benchmarks/transfer.py --out DIR [--tasks hippocampus_2d,...] [--labelled 5,20] [--seeds 0,1,2]
                                                [--optimizer adamw --lr 1e-3 --warmup 0.05] [--table]

For each task: nnU-Net plans, a compact network (8 features) is pre-trained on synthetic images only, and is fine-tuned
on few labelled cases from three starts that share everything else: random weights, the whole pre-trained network, its
encoder alone. A seed is another choice of labelled cases, other random weights and other batches; the held-out cases
stay. Their scores are kept as nnU-Net's own summaries under ``DIR/<task>/records``. Stopped or killed, the same command
goes on; ``--table`` only compares what is there. Recipes are kept apart by their name, also in
results/transfer_<recipe>.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine
from rich.console import Console
from transfer_data import TASKS, Task

from rasd_nnu.compare import compare_summaries
from rasd_nnu.files import write_text
from rasd_nnu.locks import exclusive
from rasd_nnu.nnunet.commands import resuming
from rasd_nnu.trainers.options import FinetuneRecipe
from rasd_nnu.workflows.demo import demo_environment
from rasd_nnu.workflows.experiment.compact import add_compact
from rasd_nnu.workflows.experiment.few_shot import few_shot_split
from rasd_nnu.workflows.experiment.job import Job, Needs

RESULTS = Path(__file__).parent / "results"
ARMS = ("scratch", "whole", "encoder")
LABELLED, SEEDS = (5, 20), 10  # each pair is a fold
POOL = {"hippocampus_3d": 80, "hippocampus_2d": 80, "muscle_2d": 24, "histology_2d": 30}
HELD_OUT = {"hippocampus_3d": 20, "hippocampus_2d": 20, "muscle_2d": 24, "histology_2d": 30}
BATCH = {"hippocampus_3d": 2, "hippocampus_2d": 8, "muscle_2d": 4, "histology_2d": 4}
USUAL_WARMUP = FinetuneRecipe().warmup
PRETRAIN_ITERATIONS = {"3d_fullres": 1000, "2d": 2000}


@dataclass(frozen=True)
class Plan:
    """What to run."""

    labelled: tuple[int, ...]
    seeds: tuple[int, ...]
    optimizer: str
    lr: str
    warmup: str
    epochs: int
    iterations: int
    pretrain_options: tuple[str, ...]

    @property
    def recipe(self) -> str:
        """Name of the fine-tuning recipe, part of the records' names."""
        warmup = "" if float(self.warmup) == USUAL_WARMUP else f"_warmup{self.warmup}"
        return f"{self.optimizer}_{self.lr}_{self.epochs}x{self.iterations}{warmup}"


def record(out: Path, task: Task, recipe: str, labelled: int, arm: str, seed: int) -> Path:
    """Return where the summary of one training is kept."""
    return out / "records" / task.key / recipe / f"n{labelled}" / arm / f"seed{seed}.json"


def prepare_task(job: Job, task: Task, plan: Plan) -> str:
    """Bring a task to a pre-trained compact network; return the compact configuration's name."""
    raw, number = job.folder / "nnUNet_raw", str(int(task.dataset[7:10]))
    data = Path(os.environ["RASD_DATA"])
    if not (raw / task.dataset).is_dir():
        job.call(f"{task.key}_data", task.dataset, [], lambda: task.write(data, raw))
    # Each task plans in its own name space of stages; nnU-Net keeps what both configurations of a data set share.
    command = ["nnUNetv2_plan_and_preprocess", "-d", number, "-c", task.configuration, "-np", "1", "-npfp", "1"]
    stages = [f"{task.key}_{stage}" for stage in ("plan", "split", "pretrain")]
    inputs = [raw / task.dataset / name for name in ("dataset.json", "cases.csv")]
    job.run(stages[0], "plan and preprocess", command, needs=Needs(inputs=inputs))
    needs = Needs(after=stages[:1])
    job.call(stages[1], "split", [LABELLED, SEEDS], lambda: _split(job.folder, task), needs)
    compact = f"{task.configuration}_compact"
    command = ["rasd_nnu", "pretrain", "--dataset", number, "-c", compact, "--device", "cpu", "--schedule", "cosine"]
    command += ["--recipe", "paper"]
    command += ["--lr", "1e-3", "--iterations", str(PRETRAIN_ITERATIONS[task.configuration]), *plan.pretrain_options]
    job.run(stages[2], "pre-train", command, more=lambda: ["--resume"], needs=Needs(after=stages[1:2]))
    return compact


def _split(folder: Path, task: Task) -> None:
    """Write one fold for each seed and number of labelled cases, all judged on the same held-out cases."""
    preprocessed = folder / "nnUNet_preprocessed" / task.dataset
    cases = folder / "nnUNet_raw" / task.dataset / "cases.csv"
    split = few_shot_split(cases, POOL[task.key], HELD_OUT[task.key])
    orders = [np.random.default_rng(seed).permutation(split.train).tolist() for seed in range(SEEDS)]
    folds = [{"train": sorted(order[:n]), "val": list(split.held_out)} for order in orders for n in LABELLED]
    write_text(preprocessed / "splits_final.json", json.dumps(folds, indent=1))
    dataset_json = json.loads((preprocessed / "dataset.json").read_text())
    add_compact(
        preprocessed / "nnUNetPlans.json",
        dataset_json,
        task.configuration,
        base_features=8,
        batch_size=BATCH[task.key],
    )


def train(job: Job, task: Task, compact: str, plan: Plan, labelled: int, arm: str, seed: int) -> None:
    """Fine-tune one arm and keep its summary."""
    kept = record(job.folder, task, plan.recipe, labelled, arm, seed)
    if kept.is_file():
        return
    fold = seed * len(LABELLED) + LABELLED.index(labelled)
    trainer = "RaSDTrainer_scratch" if arm == "scratch" else "RaSDTrainer"
    trainer += f"_{plan.epochs}epochs_{plan.iterations}iters_seed{seed}"
    results = job.folder / "nnUNet_results" / plan.recipe / arm
    environment = {
        "nnUNet_results": str(results),
        "nnUNet_n_proc_DA": "0",
        "nnUNet_def_n_proc": "1",
        "RASD_OPTIMIZER": plan.optimizer,
        "RASD_LR": plan.lr,
        "RASD_WARMUP": plan.warmup,
        "RASD_TRANSFER": "encoder" if arm == "encoder" else "whole",
    }
    number = str(int(task.dataset[7:10]))
    command = ["nnUNetv2_train", number, compact, str(fold), "-tr", trainer, "-device", "cpu"]
    folder = results / task.dataset / f"{trainer}__nnUNetPlans__{compact}" / f"fold_{fold}"
    name = f"{task.key}_{plan.recipe}_n{labelled}_{arm}_seed{seed}"
    text = f"{task.key}, {labelled} cases"
    needs = Needs(after=[f"{task.key}_split", *([] if arm == "scratch" else [f"{task.key}_pretrain"])])
    job.run(name, text, command, more=lambda: resuming(folder), environment=environment, needs=needs)
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folder / "validation" / "summary.json", kept)


def table(folder: Path, recipe: str, task: Task) -> list[dict[str, Any]]:
    """Compare each pre-trained arm of a task with scratch over the seeds that both have."""
    rows = []
    groups = folder / "nnUNet_raw" / task.dataset / "cases.csv"
    for labelled, arm in itertools.product(LABELLED, ARMS[1:]):
        files = {
            name: {
                seed: [file]
                for seed in range(SEEDS)
                if (file := record(folder, task, recipe, labelled, name, seed)).is_file()
            }
            for name in (arm, "scratch")
        }
        seeds = sorted(files[arm].keys() & files["scratch"].keys())
        if seeds:
            first, second = ({seed: of_arm[seed] for seed in seeds} for of_arm in files.values())
            result = compare_summaries(first, second, names=(arm, "scratch"), groups=groups)
            rows.append(_row(task.key, recipe, labelled, arm, result.to_dict()))
    return rows


def _row(task: str, recipe: str, labelled: int, arm: str, comparison: dict[str, Any]) -> dict[str, Any]:
    overall = comparison["overall"]
    return {
        "task": task,
        "recipe": recipe,
        "labelled": labelled,
        "arm": arm,
        "overall": overall,
        "seeds": comparison["seeds"],
        "verdict": comparison["verdict"],
    }


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--labelled", default="5,20")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--optimizer", default="adamw")
    parser.add_argument("--lr", default="1e-3")
    parser.add_argument("--warmup", default=str(USUAL_WARMUP), help="share of the run in which the rate rises")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=25)
    parser.add_argument("--pretrain-options", default="--normalize", help="further options of rasd_nnu pretrain")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if not set(arguments.labelled.split(",")) <= set(map(str, LABELLED)):
        parser.error(f"--labelled is {arguments.labelled}, expected some of {LABELLED}")
    if not all(0 <= int(seed) < SEEDS for seed in arguments.seeds.split(",")):
        parser.error(f"--seeds is {arguments.seeds}, expected numbers from 0 to {SEEDS - 1}: each has folds of its own")
    plan = Plan(
        labelled=tuple(map(int, arguments.labelled.split(","))),
        seeds=tuple(map(int, arguments.seeds.split(","))),
        optimizer=arguments.optimizer,
        lr=arguments.lr,
        warmup=arguments.warmup,
        epochs=arguments.epochs,
        iterations=arguments.iterations,
        pretrain_options=tuple(arguments.pretrain_options.split()),
    )
    out, begin = arguments.out.resolve(), time.perf_counter()
    tasks = [TASKS[key] for key in arguments.tasks.split(",")]
    if not arguments.table:
        for task in tasks:
            folder = out / task.key  # each task has folders of its own: two configurations of a set need two splits
            folder.mkdir(parents=True, exist_ok=True)
            with exclusive(folder):
                job = Job(folder, demo_environment(folder, "cpu"), Console())
                compact = prepare_task(job, task, plan)
                for seed, labelled, arm in itertools.product(plan.seeds, plan.labelled, ARMS):
                    train(job, task, compact, plan, labelled, arm, seed)
    rows = [row for task in TASKS.values() for row in table(out / task.key, plan.recipe, task)]  # what ran before, too
    # Which numbers of labelled cases and seeds were run, now or before, the rows say.
    recipe = {name: value for name, value in vars(plan).items() if name not in ("labelled", "seeds")}
    content = {"machine": describe_machine("cpu"), "recipe": recipe, "rows": rows}
    write_text(RESULTS / f"transfer_{plan.recipe}.json", json.dumps(content, indent=1) + "\n")
    for row in rows:
        print(f"{row['task']} n={row['labelled']} {row['arm']}: {row['verdict']}")
    print(f"{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
