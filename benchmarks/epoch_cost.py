"""What an epoch of RaSDTrainer costs over one of nnU-Net's own trainer, and what mixing adds to it.

    python benchmarks/epoch_cost.py [--rounds 30] [--iterations 10] [--threads 1] [--device cpu] [--base-features 8]
                                    [--mix curve|shift|random]

Writes results/epoch_cost.json, or with ``--mix`` results/epoch_cost_mix_KIND.json: the arm with mixing, at its largest
share in each iteration, against the one without, and what that comes to over a whole training by the usual schedule.
Both trainers live in one process, with the same plan and the same batches, and take turns epoch by epoch (ABBA), so
that a busy machine slows both; each round gives one ratio. An epoch is all that nnU-Net does in it, checkpoints apart:
these are measured on their own, as both write the same content, but not always in the same epoch. The data set is the
package's phantom, planned by nnU-Net. About 3 minutes on a CPU core.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe_machine
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from rasd_nnu import trainers
from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.dataset_specs.phantom import write_phantom
from rasd_nnu.files import write_text
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import planned_target, read_plans
from rasd_nnu.pretrain.synthesis.renew import RenewConfig
from rasd_nnu.workflows.experiment.compact import add_compact

RESULTS = Path(__file__).parent / "results/epoch_cost.json"
DATASET, CONFIGURATION = 900, "3d_fullres"


def prepare(root: Path, base_features: int) -> str:
    """Write the phantom, let nnU-Net plan and preprocess it, and add the narrow configuration; return its name."""
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ[variable] = str(root / variable)
        (root / variable).mkdir()
    os.environ.update(RASD_CHECKPOINTS=str(root / "checkpoints"), nnUNet_n_proc_DA="1", nnUNet_compile="f")
    prepared = write_phantom(root / "nnUNet_raw", DATASET, cases=8)
    program = (
        "from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import plan_and_preprocess_entry as p; p()"
    )
    options = ["-d", str(DATASET), "-c", CONFIGURATION, "-np", "1", "-npfp", "1"]
    subprocess.run([sys.executable, "-c", program, *options], check=True, stdout=subprocess.DEVNULL)
    os.environ.update(nnUNet_n_proc_DA="0")  # batches are drawn in this process; planning needs one worker
    _, dataset_json = read_plans(DATASET)
    plans_file = root / "nnUNet_preprocessed" / prepared.path.name / "nnUNetPlans.json"
    return add_compact(plans_file, dataset_json, CONFIGURATION, base_features)


def start(name: str, configuration: str, device: str, iterations: int) -> nnUNetTrainer:
    """Return a trainer that stands before its first epoch."""
    plans, dataset_json = read_plans(DATASET)
    kind = nnUNetTrainer if name == "nnUNetTrainer" else getattr(trainers, name)
    trainer = kind(
        copy.deepcopy(plans) | {"continue_training": False}, configuration, 0, dataset_json, torch.device(device)
    )
    trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = iterations, max(1, iterations // 5)
    trainer.disable_checkpointing = True
    trainer.on_train_start()
    return trainer


def epoch(trainer: nnUNetTrainer, batches: Iterator[Any]) -> tuple[float, float]:
    """Run an epoch as ``nnUNetTrainer.run_training`` does; return seconds on the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    trainer.on_epoch_start()
    trainer.on_train_epoch_start()
    outputs = [trainer.train_step(next(batches)) for _ in range(trainer.num_iterations_per_epoch)]
    trainer.on_train_epoch_end(outputs)
    with torch.no_grad():
        trainer.on_validation_epoch_start()
        outputs = [trainer.validation_step(next(batches)) for _ in range(trainer.num_val_iterations_per_epoch)]
        trainer.on_validation_epoch_end(outputs)
    trainer.on_epoch_end()
    if trainer.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - clock, time.process_time() - processor


def save_seconds(trainer: nnUNetTrainer) -> float:
    """Return the median of five saves."""
    trainer.disable_checkpointing = False
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_latest.pth"))
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def summary(names: tuple[str, str], pairs: np.ndarray) -> dict[str, Any]:
    """Summarise ``(rounds, 2)`` seconds of two trainers: medians, and by how much the second is more."""
    ratios = pairs[:, 1] / pairs[:, 0]
    draws = np.random.default_rng(0).integers(0, len(ratios), (10_000, len(ratios)))
    low, high = np.percentile(np.median(ratios[draws], axis=1), [2.5, 97.5])
    medians = np.median(pairs, axis=0)
    return {
        f"{names[0]}_s": float(medians[0]),
        f"{names[1]}_s": float(medians[1]),
        "more_percent": 100 * (float(np.median(ratios)) - 1),
        "more_percent_95": [100 * (float(low) - 1), 100 * (float(high) - 1)],
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run the alternating epochs."""
    with tempfile.TemporaryDirectory() as folder:
        configuration = prepare(Path(folder), args.base_features)
        target = planned_target(DATASET, configuration)
        atomic_save(checkpoint_content(build_network(target), target, {}), default_path(target))
        names = ("RaSDTrainer", "RaSDTrainer_mix") if args.mix else ("nnUNetTrainer", "RaSDTrainer")
        if args.mix:
            always = {"kind": args.mix, "begin": 0, "end": 1, "falling": False}
            os.environ["RASD_MIX"] = json.dumps(always)
        pair = [start(name, configuration, args.device, args.iterations) for name in names]
        drawn = [next(pair[0].dataloader_train) for _ in range(args.iterations)]
        streams = [cycle([copy.deepcopy(batch) for batch in drawn]) for _ in pair]
        seconds = np.zeros((args.rounds + 1, 2, 2))
        for index in range(args.rounds + 1):
            for which in (0, 1) if index % 2 else (1, 0):
                seconds[index, which] = epoch(pair[which], streams[which])
        saves = [save_seconds(trainer) for trainer in pair]
    seconds = seconds[1:]  # the first round warms up
    return {
        "benchmark": "epoch_cost",
        "settings": vars(args),
        "network": {"patch": target.patch_size, "batch": target.batch_size, "configuration": configuration},
        "clock": summary(names, seconds[:, :, 0]),
        "processor": summary(names, seconds[:, :, 1]),
        "save_s": dict(zip(names, saves, strict=True)),
        "rounds_clock_s": seconds[:, :, 0].round(4).tolist(),
        "machine": describe_machine(args.device),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--base-features", type=int, default=8)
    parser.add_argument("--mix", choices=("curve", "shift", "random"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        result = measure(args)
    file = RESULTS
    if args.mix:
        usual = RenewConfig(kind=args.mix)
        mean_share = float(np.mean([usual.share_at(progress) for progress in np.linspace(0, 1, 1000, endpoint=False)]))
        result["clock"]["more_percent_by_schedule"] = result["clock"]["more_percent"] * mean_share / usual.share
        file = RESULTS.with_stem(f"epoch_cost_mix_{args.mix}")
    write_text(file, json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in ("clock", "processor", "save_s")}, indent=1))


if __name__ == "__main__":
    main()
