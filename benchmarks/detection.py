"""Detection on BCCD: does pre-training help, and is the detector worth more than a segmentation turned into boxes?

    RASD_DATA=... python benchmarks/detection.py --out DIR [--seeds 0,1,2] [--table]

Everything goes through the project's commands: ``tasks prepare``, nnU-Net's planning, ``pretrain`` for the plan (8
features, 1/2.5 of the resolution, for CPU cores), ``finetune`` of both arms with every seed on fold 0 (112 images to
train on, 28 to judge on), and ``compare``. One pre-training serves all seeds. Segment-then-box is nnU-Net with the
same plan and as many steps, trained on the filled boxes; each connected component is a box, its score the mean
probability of its class. Stopped or killed, the same command goes on; ``--table`` only collects what is there. The
result is results/detection.json.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine
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
DATASET, CONFIGURATION, ARMS = "Dataset679_BCCD", "2d_small", ("scratch", "rasd")
FEATURES, SPACING, PATCH, BATCH = (8, 16, 32, 64, 128), 2.5, 128, 4
EPOCHS, STEPS, PRETRAIN_ITERATIONS = 6, 64, 400


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


def folder_of(out: Path, arm: str, seed: int) -> Path:
    """Return the folder of a fine-tuning, as ``finetune`` names it."""
    name = f"RaSDDetector{'' if arm == 'rasd' else f'_{arm}'}_{EPOCHS}epochs_seed{seed}"
    return out / "nnUNet_results" / DATASET / f"{name}__nnUNetPlans__{CONFIGURATION}" / "fold_0"


def train(job: Job, arm: str, seed: int) -> None:
    """Fine-tune one arm."""
    command = ["rasd_nnu", "finetune", "679", "-c", CONFIGURATION, "--arm", arm, "--device", "cpu", "--bf16"]
    command += ["--epochs", str(EPOCHS), "--batch-size", str(BATCH), "--seed", str(seed)]
    needs = Needs(after=["preprocess", *(["pretrain"] if arm == "rasd" else [])])
    job.run(f"{arm}_seed{seed}", f"{arm}, seed {seed}", command, needs=needs)


def segment(job: Job) -> None:
    """Train nnU-Net on the filled boxes and turn its validation into boxes."""
    trainer = f"RaSDTrainer_scratch_{EPOCHS}epochs_{STEPS}iters_seed0"
    folder = job.folder / "nnUNet_results" / DATASET / f"{trainer}__nnUNetPlans__{CONFIGURATION}" / "fold_0"
    command = ["nnUNetv2_train", "679", CONFIGURATION, "0", "-tr", trainer, "-device", "cpu", "--npz"]
    environment = {"nnUNet_n_proc_DA": "0"}
    needs = Needs(after=["preprocess"])
    job.run("segment", "segment", command, more=lambda: resuming(folder), environment=environment, needs=needs)
    truth = read_detections(folder_of(job.folder, "scratch", 0) / "validation" / "detections.json")
    cases = [_boxes_of(folder / "validation", case) for case in truth.cases]
    write_detections(job.folder / "segment_then_box.json", truth.classes, cases)


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


def compare(job: Job, seeds: list[int]) -> dict[str, Any]:
    """Compare the arms, and the scratch detector with segment-then-box, by `rasd_nnu compare`."""
    found = {}
    command = ["rasd_nnu", "compare", "679", "-c", CONFIGURATION, "--trainer", f"RaSDDetector_{EPOCHS}epochs"]
    command += ["--vs", "scratch", "--seeds", ",".join(map(str, seeds))]
    boxes = job.folder / "segment_then_box.json"
    scratch = folder_of(job.folder, "scratch", seeds[0]) / "validation" / "detections.json"
    other = ["rasd_nnu", "compare", "--a", str(scratch), "--b", str(boxes), "--name-a", "detector"]
    jobs = {"arms": command, "segment_then_box": [*other, "--name-b", "segment-then-box"]}
    for name, line in jobs.items():
        if name == "segment_then_box" and not boxes.is_file():
            continue
        out = job.folder / f"{name}_comparison.json"
        inputs = [folder_of(job.folder, arm, seed) / "validation" / "detections.json" for arm in ARMS for seed in seeds]
        needs = Needs(inputs=[*inputs, *([boxes] if name == "segment_then_box" else [])])
        job.run(f"compare_{name}", f"compare {name}", [*line, "--overwrite", "--json", str(out)], needs=needs)
        found[name] = {key: value for key, value in read_json_object(out, ValueError).items() if key != "rows"}
    return found


def summary(out: Path, arm: str, seed: int) -> dict[str, Any]:
    """Return the scores of one fine-tuning and what it took."""
    folder = folder_of(out, arm, seed)
    scores, report = (read_json_object(folder / name, ValueError) for name in ("scores.json", "run_report.json"))
    return {"arm": arm, "seed": seed, "validation": scores["validation"], "seconds": report["seconds"]}


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--table", action="store_true", help="run nothing, collect what is there")
    arguments = parser.parse_args()
    out, console = arguments.out.resolve(), Console()
    out.mkdir(parents=True, exist_ok=True)
    job = Job(out, demo_environment(out, "cpu") | {"nnUNet_def_n_proc": "1"}, console)
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    with exclusive(out):
        if not arguments.table:
            prepare(job)
            for number, seed in enumerate(seeds):
                for arm in ARMS:
                    train(job, arm, seed)
                if number == 0:
                    segment(job)
        done = [s for s in seeds if all((folder_of(out, arm, s) / "run_report.json").is_file() for arm in ARMS)]
        comparison = compare(job, done)
    content: dict[str, Any] = {
        "machine": describe_machine("cpu"),
        "epochs": EPOCHS,
        "steps_an_epoch": STEPS,
        "pretrain_iterations": PRETRAIN_ITERATIONS,
        "runs": [summary(out, arm, seed) for seed in done for arm in ARMS],
        "comparison": comparison,
    }
    boxes = out / "segment_then_box.json"
    if boxes.is_file():
        records = read_detections(boxes)
        content["segment_then_box"] = detection_scores(records.cases, records.classes)
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    for run in content["runs"]:
        console.print(run["arm"], run["seed"], {k: v for k, v in run["validation"].items() if k != "classes"})


if __name__ == "__main__":
    main()
