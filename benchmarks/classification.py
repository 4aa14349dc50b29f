"""Classification: does the pre-trained encoder help, with few and with all labelled images?

    RASD_DATA=... python benchmarks/classification.py --out DIR [--tasks pneumonia,hippocampus_size] [--table]

Everything goes through the project's commands: ``tasks prepare``, nnU-Net's planning, ``pretrain`` for the plan (with
fewer features, for CPU cores), ``finetune`` of both arms with every number of labelled images and seed, and ``compare``
on the held-out test images. One pre-training serves all seeds; a seed is another choice of labelled images, another
random linear layer (and encoder, in the scratch arm) and other batches. The fine-tunings are called in this process,
which spares the imports. Stopped or killed, the same command goes on; ``--table`` only compares what is there. The
result is results/classification.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classification_data import TASKS, Task
from machine import call, describe_machine
from rich.console import Console

from rasd_nnu.files import write_text
from rasd_nnu.locks import exclusive
from rasd_nnu.reading import read_json_object
from rasd_nnu.workflows.demo import demo_environment
from rasd_nnu.workflows.experiment.compact import add_compact
from rasd_nnu.workflows.experiment.job import Job, Needs

RESULTS = Path(__file__).parent / "results" / "classification.json"
ARMS, SEEDS = ("scratch", "rasd"), (0, 1, 2)


@dataclass(frozen=True)
class Run:
    """One fine-tuning: an arm, a number of labelled images (None: all), a seed."""

    arm: str
    labelled: int | None
    seed: int

    @property
    def name(self) -> str:
        """What it is called among the stages of its task."""
        return f"n{self.labelled or 'all'}_{self.arm}_seed{self.seed}"


def prepare(job: Job, task: Task) -> None:
    """Bring a task to a pre-trained network of its plan."""
    preprocessed = job.folder / "nnUNet_preprocessed" / task.dataset
    number = str(int(task.dataset[7:10]))
    spec, source = task.release(Path(os.environ["RASD_DATA"]), job.folder)
    command = ["rasd_nnu", "tasks", "prepare", spec, "--source", str(source), "--workers", "1"]
    job.run("prepare", "convert to nnU-Net's format", command)
    command = ["nnUNetv2_plan_and_preprocess", "-d", number, "-c", task.configuration, "-np", "1", "-npfp", "1"]
    job.run("plan", "plan and preprocess", command, needs=Needs(after=["prepare"], outputs=[preprocessed]))
    needs = Needs(after=["plan"])
    job.call("compact", "fewer features", task.features, lambda: _add_compact(preprocessed, task), needs)
    command = ["rasd_nnu", "pretrain", "--dataset", number, "-c", task.compact, "--device", "cpu"]
    command += ["--iterations", str(task.pretrain_iterations), "--batch-size", str(task.batch_size)]
    job.run("pretrain", "pre-train", command, more=lambda: ["--resume"], needs=Needs(after=["compact"]))


def _add_compact(preprocessed: Path, task: Task) -> None:
    dataset_json = json.loads((preprocessed / "dataset.json").read_text())
    add_compact(
        preprocessed / "nnUNetPlans.json", dataset_json, task.configuration, task.features, batch_size=task.batch_size
    )


def folder_of(job_folder: Path, task: Task, run: Run) -> Path:
    """Return the folder of a fine-tuning, as ``finetune`` names it."""
    arm = "" if run.arm == "rasd" else f"_{run.arm}"
    few = "" if run.labelled is None else f"_n{run.labelled}"
    name = f"RaSDClassifier{arm}{few}_{task.epochs[run.labelled]}epochs_seed{run.seed}__nnUNetPlans__{task.compact}"
    return job_folder / "nnUNet_results" / task.dataset / name / "fold_0"


def train(job: Job, task: Task, run: Run) -> None:
    """Fine-tune one arm."""
    number = str(int(task.dataset[7:10]))
    command = ["rasd_nnu", "finetune", number, "-c", task.compact, "--arm", run.arm, "--device", "cpu"]
    command += ["--epochs", str(task.epochs[run.labelled]), "--seed", str(run.seed)]
    command += ["--batch-size", str(task.batch_size)]
    if run.labelled is not None:
        command += ["--labelled", str(run.labelled)]
    needs = Needs(after=["compact", *(["pretrain"] if run.arm == "rasd" else [])])
    clock = job.folder / "cpu" / f"{run.name}.json"
    job.call(run.name, shlex.join(command), command, lambda: call(command[1:], clock), needs)


def compare(job: Job, tasks: list[tuple[Task, list[Run]]]) -> dict[str, Any]:
    """Compare the arms on the test images, all numbers of labelled images in one study; return what it found."""
    units = []
    for task, runs in tasks:
        for run in runs:
            path = folder_of(job.folder / task.key, task, run) / "test_predictions.csv"
            unit = {"dataset": task.dataset, "configuration": task.compact, "n": run.labelled, "arm": run.arm}
            units.append({**unit, "seed": run.seed, "path": str(path.relative_to(job.folder))})
    write_text(job.folder / "records.json", json.dumps({"version": 1, "units": units}, indent=1))
    command = ["rasd_nnu", "compare", "--study", str(job.folder), "--vs", "scratch", "--overwrite"]
    found = job.folder / "comparison.json"
    inputs = [job.folder / unit["path"] for unit in units]
    job.run("compare", "compare", [*command, "--json", str(found)], needs=Needs(inputs=inputs))
    return read_json_object(found, ValueError)


def _without_cases(study: dict[str, Any]) -> dict[str, Any]:
    """Return what a comparison found, without the cases."""
    kept = ("overall", "others", "seeds", "verdict", "warnings")
    entries = []
    for entry in study["entries"]:
        found = entry["comparison"]
        own = {"design": entry["design"], "p_holm": entry["p_holm"], "test_images": len(found["rows"])}
        entries.append({**own, **{name: found[name] for name in kept}})
    return {"sentence": study["sentence"], "entries": entries}


def summary(folder: Path, task: Task, run: Run) -> dict[str, Any]:
    """Return the scores of one fine-tuning and what it took."""
    own = folder_of(folder / task.key, task, run)
    scores, report = (read_json_object(own / name, ValueError) for name in ("scores.json", "run_report.json"))
    return {
        "task": task.key,
        "arm": run.arm,
        "labelled": run.labelled,
        "epochs": task.epochs[run.labelled],
        "seed": run.seed,
        "training_images": scores["training_cases"],
        "test": scores["test"],
        "seconds": report["seconds"],
        **read_json_object(folder / task.key / "cpu" / f"{run.name}.json", ValueError),
    }


def run_benchmark() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--table", action="store_true", help="run nothing, compare what is there")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    tasks = [TASKS[key] for key in arguments.tasks.split(",")]
    console = Console()
    with exclusive(out):
        if not arguments.table:
            for task in tasks:
                folder = out / task.key
                folder.mkdir(exist_ok=True)
                job = Job(folder, demo_environment(folder, "cpu") | {"nnUNet_def_n_proc": "1"}, console)
                os.environ.update(job.environment)
                prepare(job, task)
                for seed, labelled, arm in itertools.product(SEEDS, task.epochs, ARMS):
                    train(job, task, Run(arm, labelled, seed))
        done = [(task, _finished(out, task)) for task in TASKS.values()]
        done = [(task, runs) for task, runs in done if runs]
        comparison = compare(Job(out, {}, console), done)
    content = {
        "machine": describe_machine("cpu"),
        "tasks": {task.key: task.described(out / task.key) for task, _ in done},
        "runs": [summary(out, task, run) for task, runs in done for run in runs],
        "comparison": _without_cases(comparison),
    }
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    console.print(comparison["sentence"])


def _finished(out: Path, task: Task) -> list[Run]:
    """Return the runs whose two arms are there."""
    found = []
    for seed, labelled in itertools.product(SEEDS, task.epochs):
        runs = [Run(arm, labelled, seed) for arm in ARMS]
        if all((folder_of(out / task.key, task, run) / "run_report.json").is_file() for run in runs):
            found += runs
    return found


if __name__ == "__main__":
    run_benchmark()
