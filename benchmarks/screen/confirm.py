"""The same arms through nnU-Net itself: its planner, data loader, `nnUNetv2_train` and prediction.

    RASD_DATA=... python benchmarks/screen/confirm.py --work DIR [--tasks camus_us,...] [--seeds 0,...]

A task's images, labelled patients and test patients are the screen's; fold k of nnU-Net's split is seed k. The network
is the planned 2D one with 8 features; AdamW, its rate and the number of steps are the screen's, too. Dice is by
patient, as in the screen. Killed and called again, it goes on. Writes benchmarks/results/screen_confirm.json, which
analyse.py reads.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import nibabel
import numpy as np
from score import dice, mean_dice
from tasks import TASKS, Case, Task

from rasd_nnu.files import write_text
from rasd_nnu.nnunet import commands
from rasd_nnu.nnunet.env import EXTERNAL_TRAINERS, extended_path, trainers_folder
from rasd_nnu.workflows.experiment.compact import add_compact

RESULTS = Path(__file__).parents[1] / "results" / "screen_confirm.json"
BIN = Path(sys.executable).parent
EPOCHS, ITERATIONS, RATE, BATCH, LABELLED = 28, 25, "6e-3", 8, 5
_ALWAYS = "share: 0.5, begin: 0, end: 1, falling: false"

#: Name of an arm as in the screen -> what is mixed in.
ARMS = {"scratch": None, **{f"{kind}_always": f"{{kind: {kind}, {_ALWAYS}}}" for kind in ("shift", "curve", "random")}}
CONFIGURATION = "2d_compact"


def environment(work: Path, arm: str) -> dict[str, str]:
    """Return the variables of a training; every arm has results of its own."""
    own = {
        "nnUNet_raw": str(work / "raw"),
        "nnUNet_preprocessed": str(work / "preprocessed"),
        "nnUNet_results": str(work / "results" / arm),
        "nnUNet_n_proc_DA": "0",
        "nnUNet_compile": "f",
        EXTERNAL_TRAINERS: extended_path(os.environ.get(EXTERNAL_TRAINERS, ""), trainers_folder()),
        "RASD_OPTIMIZER": "adamw",
        "RASD_LR": RATE,
    }
    mix = ARMS[arm]
    return {**os.environ, **own, **({"RASD_MIX": mix} if mix else {})}


def run(command: list[str], variables: dict[str, str], log: Path) -> None:
    """Run one of nnU-Net's commands.

    Raises:
        RuntimeError: If it fails; the end of its log is in the message.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        done = subprocess.run([str(BIN / command[0]), *command[1:]], env=variables, stdout=out, stderr=out)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {log.read_text()[-800:]}")


def cases(task: Task) -> list[tuple[str, Case]]:
    """Return all images with the names that they get in nnU-Net, those to train on first."""
    pool, test = task.cases()
    return [(f"case_{number:04d}", case) for number, case in enumerate([*pool, *test])]


def write_raw(task: Task, number: int, work: Path) -> Path:
    """Write the raw data set; return its folder."""
    folder = work / "raw" / f"Dataset{number}_{task.key}"
    if (folder / "dataset.json").is_file():
        return folder
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    named = cases(task)
    for name, case in named:
        for channel, image in enumerate(case.image):
            file = folder / "imagesTr" / f"{name}_{channel:04d}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(image[..., None], np.eye(4)), file)
        nibabel.save(nibabel.Nifti1Image(case.label[..., None], np.eye(4)), folder / "labelsTr" / f"{name}.nii.gz")
    content = {
        "channel_names": {str(c): f"channel {c}" for c in range(task.channels)},
        "labels": {"background": 0, **{f"class {c}": c for c in range(1, task.classes)}},
        "numTraining": len(named),
        "file_ending": ".nii.gz",
    }
    write_text(folder / "dataset.json", json.dumps(content))
    return folder


def plan(task: Task, number: int, seeds: list[int], work: Path) -> None:
    """Let nnU-Net plan and preprocess, add the compact network and write the split."""
    raw = write_raw(task, number, work)
    folder = work / "preprocessed" / raw.name
    split = folder / "splits_final.json"
    if not split.is_file():
        command = [*commands.plan(raw.name), "-c", "2d", "-np", "1", "-npfp", "1"]
        variables = {k: v for k, v in environment(work, "scratch").items() if k != "nnUNet_n_proc_DA"}
        run(command, variables, work / "logs" / f"plan_{task.key}.log")
        content = json.loads((folder / "dataset.json").read_text())
        add_compact(folder / "nnUNetPlans.json", content, "2d", base_features=8, batch_size=BATCH)
    named = cases(task)
    test = [name for name, _ in named[len(task.cases()[0]) :]]
    folds = []
    for seed in range(max(seeds) + 1):
        patients = {case.patient for case in task.labelled(LABELLED, seed)}
        folds.append({"train": [n for n, c in named if c.patient in patients], "val": test})
    write_text(split, json.dumps(folds))


def train(task: Task, number: int, arm: str, seed: int, work: Path) -> float:
    """Train and predict, unless that is done; return the mean Dice over patients."""
    mixed = "_mix" if ARMS[arm] else ""
    trainer = f"RaSDTrainer_scratch{mixed}_{EPOCHS}epochs_{ITERATIONS}iters_seed{seed}"
    dataset = f"Dataset{number}_{task.key}"
    fold = work / "results" / arm / dataset / f"{trainer}__nnUNetPlans__{CONFIGURATION}"
    fold = fold / f"fold_{seed}"
    if not (fold / "validation" / "summary.json").is_file():
        more = ["-device", "cpu", *commands.resuming(fold)]
        command = commands.train(dataset, CONFIGURATION, seed, trainer=trainer, more=more)
        run(command, environment(work, arm), work / "logs" / f"{task.key}_{arm}_{seed}.log")
        for file in fold.glob("checkpoint_*.pth"):
            file.unlink()
    test = [(name, case) for name, case in cases(task) if (fold / "validation" / f"{name}.nii.gz").is_file()]
    found = [np.asarray(nibabel.load(fold / "validation" / f"{name}.nii.gz").dataobj)[..., 0] for name, _ in test]
    return mean_dice(dice(task, [case for _, case in test], found))


def main() -> None:
    """Run what is missing from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tasks", default="camus_us,sunnybrook_lv,covid_ct")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if shutil.which("nnUNetv2_train", path=str(BIN)) is None:
        parser.error(f"nnU-Net's commands are not in {BIN}")
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    rows = json.loads(arguments.out.read_text())["results"] if arguments.out.is_file() else []
    recipe = {"epochs": EPOCHS, "iterations": ITERATIONS, "rate": RATE, "batch": BATCH, "labelled": LABELLED}
    for seed in seeds:
        for key in arguments.tasks.split(","):
            task, number = TASKS[key], 950 + list(TASKS).index(key)
            plan(task, number, seeds, arguments.work)
            for arm in arguments.arms.split(","):
                row = {"task": key, "arm": arm, "seed": seed}
                if any(row.items() <= known.items() for known in rows):
                    continue
                rows.append({**row, "dice": round(train(task, number, arm, seed, arguments.work), 4)})
                write_text(arguments.out, json.dumps({"recipe": recipe, "results": rows}, indent=1) + "\n")
                print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
