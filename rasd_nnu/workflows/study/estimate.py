"""What a study will cost: hours on a device and disk, before anything starts."""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rasd_nnu.workflows.study.jobs import Job
from rasd_nnu.workflows.study.run import Planned

#: Seconds of an optimiser step that were measured, and on what; made from benchmarks/results/step_cpu.json.
STEPS_FILE = "step_seconds.json"
#: Patch, batch and parameters (in millions) of the networks that nnU-Net plans for its usual 8 GB.
_USUAL: dict[int, tuple[tuple[int, ...], int, float]] = {3: ((128, 128, 128), 2, 31.0), 2: ((512, 512), 12, 33.5)}
_FEATURES = 32  # of the first stage of such a network
_STEPS_WITHOUT_BUDGET = 5000  # of a pre-training whose length is a budget of time, at the usual recipe
# Weights, and two numbers a weight that AdamW keeps (SGD keeps one). nnU-Net writes `latest` or `final`, and `best`.
_FILES, _COPIES, _BYTES = 2, 3, 4
_GIB = 2**30


@dataclass(frozen=True)
class Estimate:
    """What is left to do.

    Args:
        hours: Hours on the device, stage -> hours.
        device: What the step was measured on.
        checkpoints_gib: What checkpoints take at the most.
        trainings: Trainings that are left.
    """

    hours: Mapping[str, float]
    device: str
    checkpoints_gib: float
    trainings: int


def estimate(planned: Planned, reasons: Mapping[str, str]) -> Estimate:
    """Estimate what the jobs that are left will cost.

    A step's time is what ``step_seconds`` says for its configuration, else the measured one of nnU-Net's plain network
    on the machine in `STEPS_FILE`, which grows with voxels and batch (and, in narrow twins, with the features).
    """
    measured = json.loads(importlib.resources.files(__package__).joinpath(STEPS_FILE).read_text(encoding="utf-8"))
    hours = {"pretrain": 0.0, "finetune": 0.0}
    gib, own = 0.0, True
    keep = "checkpoints" not in planned.config.drop
    for name in reasons:
        job = planned.grid.jobs[name]
        if job.stage not in hours:
            continue
        seconds, is_own = _step(planned, job, measured)
        own = own and is_own
        hours[job.stage] += seconds * (job.work["steps"] or _STEPS_WITHOUT_BUDGET) / 3600
        if keep or job.stage == "pretrain":
            gib += _checkpoints(planned, job)
    device = "as step_seconds says" if own else f"on {measured['device']}"
    trainings = sum(planned.grid.jobs[name].stage == "finetune" for name in reasons)
    return Estimate(hours, device, gib, trainings)


def describe(planned: Planned, reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield the estimate as lines."""
    found = estimate(planned, reasons)
    total = sum(found.hours.values())
    yield (
        f"estimate: {found.trainings} trainings, {total:,.1f} device hours ({found.hours['pretrain']:,.1f} "
        f"pre-training, {found.hours['finetune']:,.1f} fine-tuning without validation), {found.device}"
    )
    dropped = ", dropped when nothing needs them" if "checkpoints" in planned.config.drop else ""
    yield f"estimate: {found.checkpoints_gib:,.1f} GiB of checkpoints{dropped}; images and predictions come on top"


def _dims(configuration: str) -> int:
    return 2 if configuration.startswith("2d") else 3


def _configuration(job: Job) -> tuple[str, bool]:
    return str(job.work["configuration"]), bool(job.work["compact"])


def _step(planned: Planned, job: Job, measured: Mapping[str, Any]) -> tuple[float, bool]:
    """Return the seconds of a step, and whether the study says so itself."""
    configuration, compact = _configuration(job)
    known = planned.config.step_seconds.get(configuration)
    if known is not None:
        return known, True
    dims = _dims(configuration)
    entry = measured["steps"][f"{dims}d"]
    patch, batch, _ = _USUAL[dims]
    ratio = _voxels(patch) * batch / (_voxels(entry["patch"]) * entry["batch"])
    if compact:
        narrow = _compact(planned, job)
        ratio = ratio * narrow[1] / batch * narrow[0] / _FEATURES
    return float(entry["seconds"]) * ratio, False


def _checkpoints(planned: Planned, job: Job) -> float:
    configuration, compact = _configuration(job)
    million = _USUAL[_dims(configuration)][2]
    if compact:
        million *= (_compact(planned, job)[0] / _FEATURES) ** 2
    return million * 1e6 * _FILES * _COPIES * _BYTES / _GIB


def _compact(planned: Planned, job: Job) -> tuple[int, int]:
    """Return features and batch size of a job's narrow twin."""
    dataset = job.name.split("__")[0]
    asked = next(task.asked.compact for task in planned.tasks if task.dataset == dataset)
    assert asked is not None  # the job trains one
    return asked.features, asked.batch_size


def _voxels(patch: Any) -> float:
    product = 1.0
    for edge in patch:
        product *= edge
    return product
