"""Detection on BCCD: does pre-training help, and is the detector worth more than a segmentation turned into boxes?

    RASD_DATA=... python benchmarks/detection.py --out DIR [--seeds 0,1,2] [--table]

Everything goes through the project's commands: ``tasks prepare``, nnU-Net's planning, ``pretrain`` for the plan (8
features, 1/2.5 of the resolution, for CPU cores), ``finetune`` of every arm with every seed on fold 0 (112 images to
train on, 28 to judge on), and ``compare``. One pre-training serves all seeds. The arms are scratch and rasd with the
same fine-tuning, and scratch_equal, which trains longer by as much as the pre-training took. Segment-then-box is
nnU-Net with the same plan and as many steps as scratch_equal, trained on the filled boxes; each connected component is
a box, its score the mean probability of its class. The fine-tunings are called in this process, which spares the
imports. Stopped or killed, the same command goes on; ``--table`` only collects what is there. The result is
results/detection.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
from pathlib import Path
from typing import Any

import numpy as np
from machine import call, clocked, describe_machine
from rich.console import Console
from scipy import ndimage

from rasd_nnu.files import write_text
from rasd_nnu.locks import exclusive
from rasd_nnu.nnunet.commands import resuming
from rasd_nnu.reading import read_json_object
from rasd_nnu.records.detection import DetectionCase, read_detections, write_detections
from rasd_nnu.workflows.demo import demo_environment
from rasd_nnu.workflows.detection_scores import detection_scores
from rasd_nnu.workflows.experiment.job import Job, Needs

RESULTS = Path(__file__).parent / "results" / "detection.json"
DATASET, CONFIGURATION = "Dataset679_BCCD", "2d_small"
FEATURES, SPACING, PATCH, BATCH = (8, 16, 32, 64, 128), 2.5, 128, 4
#: Pre-training takes as long as 6 epochs: the processor's seconds are in the results.
EPOCHS, EQUAL_EPOCHS, STEPS, PRETRAIN_ITERATIONS = 6, 12, 64, 400
#: Name -> where the weights come from, and epochs.
ARMS = {"scratch": ("scratch", EPOCHS), "rasd": ("rasd", EPOCHS), "scratch_equal": ("scratch", EQUAL_EPOCHS)}
SEGMENT = "segment_then_box"
#: Arms that are compared, the control last.
COMPARISONS = (("rasd", "scratch"), ("rasd", "scratch_equal"), (SEGMENT, "scratch_equal"))


def prepare(job: Job) -> None:
    """Bring the data set to a pre-trained small network of its plan."""
    preprocessed = job.folder / "nnUNet_preprocessed" / DATASET
    command = ["rasd_nnu", "tasks", "prepare", "bccd", "--source", str(Path(os.environ["RASD_DATA"]) / "bccd")]
    job.run("prepare", "convert to nnU-Net's format", [*command, "--workers", "1"])
    command = ["nnUNetv2_plan_and_preprocess", "-d", "679", "-c", "2d", "--no_pp", "-np", "1", "-npfp", "1"]
    job.run("plan", "plan", command, needs=Needs(after=["prepare"], outputs=[preprocessed]))
    request = [FEATURES, SPACING, PATCH, BATCH]
    job.call("small", "fewer features", request, lambda: _add_small(preprocessed), Needs(after=["plan"]))
    command = ["nnUNetv2_preprocess", "-d", "679", "-c", CONFIGURATION, "-np", "1"]
    job.run("preprocess", "preprocess", command, needs=Needs(after=["small"]))
    command = ["rasd_nnu", "pretrain", "--dataset", "679", "-c", CONFIGURATION, "--device", "cpu"]
    command += ["--iterations", str(PRETRAIN_ITERATIONS), "--batch-size", str(BATCH)]
    with clocked(_clock(job.folder, "pretrain")):
        job.run("pretrain", "pre-train", command, more=lambda: ["--resume"], needs=Needs(after=["small"]))


def _add_small(preprocessed: Path) -> None:
    """Add a configuration with fewer features and voxels to the plans."""
    file = preprocessed / "nnUNetPlans.json"
    plans = json.loads(file.read_text())
    architecture, stages = plans["configurations"]["2d"]["architecture"], len(FEATURES)
    architecture["arch_kwargs"] |= {
        "n_stages": stages,
        "features_per_stage": FEATURES,
        "kernel_sizes": [[3, 3]] * stages,
        "strides": [[1, 1]] + [[2, 2]] * (stages - 1),
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [2] * (stages - 1),
    }
    plans["configurations"][CONFIGURATION] = {
        "inherits_from": "2d",
        "data_identifier": f"nnUNetPlans_{CONFIGURATION}",
        "spacing": [SPACING] * 2,
        "patch_size": [PATCH] * 2,
        "batch_size": BATCH,
        "architecture": architecture,
    }
    write_text(file, json.dumps(plans, indent=4))


def _clock(out: Path, name: str) -> Path:
    return out / "cpu" / f"{name}.json"


def folder_of(out: Path, arm: str, seed: int) -> Path:
    """Return the folder of a training, as ``finetune`` or nnU-Net names it."""
    if arm == SEGMENT:
        name = f"RaSDTrainer_scratch_{EQUAL_EPOCHS}epochs_{STEPS}iters_seed{seed}"
    else:
        start, epochs = ARMS[arm]
        name = f"RaSDDetector{'' if start == 'rasd' else f'_{start}'}_{epochs}epochs_seed{seed}"
    return out / "nnUNet_results" / DATASET / f"{name}__nnUNetPlans__{CONFIGURATION}" / "fold_0"


def train(job: Job, arm: str, seed: int) -> None:
    """Fine-tune one arm."""
    start, epochs = ARMS[arm]
    command = ["rasd_nnu", "finetune", "679", "-c", CONFIGURATION, "--arm", start, "--device", "cpu", "--bf16"]
    command += ["--epochs", str(epochs), "--batch-size", str(BATCH), "--seed", str(seed), "--resume"]
    needs = Needs(after=["preprocess", *(["pretrain"] if start == "rasd" else [])])
    name = f"{arm}_seed{seed}"
    job.call(name, shlex.join(command), command, lambda: call(command[1:], _clock(job.folder, name)), needs)


def segment(job: Job, seed: int) -> None:
    """Train nnU-Net on the filled boxes and turn its validation into boxes."""
    folder, name = folder_of(job.folder, SEGMENT, seed), f"{SEGMENT}_seed{seed}"
    trainer = folder.parent.name.partition("__")[0]
    command = ["nnUNetv2_train", "679", CONFIGURATION, "0", "-tr", trainer, "-device", "cpu", "--npz"]
    environment, needs = {"nnUNet_n_proc_DA": "0"}, Needs(after=["preprocess"])
    with clocked(_clock(job.folder, name)):
        job.run(name, name, command, more=lambda: resuming(folder), environment=environment, needs=needs)
    truth = read_detections(records_of(job.folder, "scratch", seed))
    cases = [_boxes_of(folder / "validation", case) for case in truth.cases]
    write_detections(records_of(job.folder, SEGMENT, seed), truth.classes, cases)


def _boxes_of(folder: Path, case: DetectionCase) -> DetectionCase:
    """Return the connected components of a segmentation as boxes."""
    probabilities = np.load(folder / f"{case.case}.npz")["probabilities"][:, 0]
    found = []
    for label in range(1, len(probabilities)):
        components, _ = ndimage.label(probabilities.argmax(0) == label)
        for number, (rows, columns) in enumerate(ndimage.find_objects(components), start=1):
            score = probabilities[label][components == number].mean()
            box = (columns.start, rows.start, columns.stop, rows.stop)
            found.append((float(score), tuple(map(float, box)), label - 1))
    found.sort(reverse=True)
    scores, boxes, labels = zip(*found, strict=True) if found else ((), (), ())
    return case.model_copy(update={"boxes": boxes, "scores": scores, "labels": labels})


def records_of(out: Path, arm: str, seed: int) -> Path:
    """Return the per-case records of a training."""
    return folder_of(out, arm, seed) / "validation" / "detections.json"


def compare(job: Job, arm: str, control: str, seeds: list[int]) -> dict[str, Any]:
    """Compare two arms, which may differ in their length here, by `rasd_nnu compare`; leave out the cases."""
    units, inputs = [], []
    for own in (arm, control):
        for seed in seeds:
            inputs.append(records_of(job.folder, own, seed))
            path = str(inputs[-1].relative_to(job.folder))
            unit = {"dataset": DATASET, "configuration": CONFIGURATION, "arm": own, "seed": seed, "fold": 0}
            units.append({**unit, "path": path})
    write_text(job.folder / "records.json", json.dumps({"version": 1, "units": units}, indent=1))
    out, name = job.folder / f"{arm}_{control}.json", f"compare_{arm}_{control}"
    command = ["rasd_nnu", "compare", "--study", str(job.folder), "--arms", arm, "--vs", control]
    command += ["--allow-recipe-diff", "--overwrite", "--json", str(out)]
    job.run(name, f"{arm} against {control}", command, needs=Needs(inputs=inputs))
    return {key: value for key, value in read_json_object(out, ValueError).items() if key != "rows"}


def summary(out: Path, arm: str, seed: int) -> dict[str, Any]:
    """Return the scores of one training and what it took."""
    records = read_detections(records_of(out, arm, seed))
    scores = detection_scores(records.cases, records.classes)
    seconds = read_json_object(_clock(out, f"{arm}_seed{seed}"), ValueError)
    return {"arm": arm, "seed": seed, "validation": scores, **seconds}


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--table", action="store_true", help="run nothing, collect what is there")
    arguments = parser.parse_args()
    out, console = arguments.out.resolve(), Console()
    out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the clocks are written
    job = Job(out, demo_environment(out, "cpu") | {"nnUNet_def_n_proc": "1"}, console)
    os.environ.update(job.environment)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    with exclusive(out):
        if not arguments.table:
            prepare(job)
            for seed in seeds:
                for arm in ARMS:
                    train(job, arm, seed)
                if seed == seeds[0]:
                    segment(job, seed)
            for seed in seeds[1:]:
                segment(job, seed)
        done = {arm: [s for s in seeds if records_of(out, arm, s).is_file()] for arm in (*ARMS, SEGMENT)}
        found = []
        for arm, control in COMPARISONS:
            both = [seed for seed in done[arm] if seed in done[control]]
            found += [compare(job, arm, control, both)] if both else []
    content: dict[str, Any] = {
        "machine": describe_machine("cpu"),
        "epochs": {**{arm: epochs for arm, (_, epochs) in ARMS.items()}, SEGMENT: EQUAL_EPOCHS},
        "steps_an_epoch": STEPS,
        "pretrain_iterations": PRETRAIN_ITERATIONS,
        "pretrain": read_json_object(_clock(out, "pretrain"), ValueError),
        "runs": [summary(out, arm, seed) for arm, own in done.items() for seed in own],
        "comparisons": found,
    }
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    for run in content["runs"]:
        console.print(run["arm"], run["seed"], {k: v for k, v in run["validation"].items() if k != "classes"})


if __name__ == "__main__":
    main()
