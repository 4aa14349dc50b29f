"""One training of the screen: arrays in memory, nnU-Net's augmentation and loss, one thread."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from augment import batch, make_pool
from loss import Loss
from network import apply, build, stages
from recipe import Job, checkpoints, digest
from score import COLLAPSED, by_class, dice, mean_dice, predict
from shifts import fewer, shifted
from start import started
from tasks import TASKS, Case, Task
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from rasd_nnu.files import atomic_file
from rasd_nnu.pretrain.synthesis.renew import renew
from rasd_nnu.pretrain.synthesis.warp import warped


def split(job: Job) -> tuple[list[Case], list[Case]]:
    """Return the cases to train on and those to test on."""
    task = TASKS[job.task]
    labelled = task.labelled(job.labelled, job.seed)
    if job.inner is None:
        return labelled, task.cases()[1]
    patients = sorted({case.patient for case in labelled})
    held = {p for i, p in enumerate(patients) if i % job.folds == job.inner}
    return [c for c in labelled if c.patient not in held], [c for c in labelled if c.patient in held]


def pool_of(job: Job, cases: list[Case], cache: Path) -> tuple[Tensor, Tensor]:
    """Return the augmented patches of a job; made once, read by all arms."""
    name = digest([job.task, job.labelled, job.seed, job.inner, job.folds if job.inner is not None else 0])
    file = cache / f"pool_{name}_{job.recipe.pool}.pt"
    if not file.is_file():
        images, labels = make_pool(TASKS[job.task], cases, job.recipe.pool, job.seed)
        with atomic_file(file) as out:
            torch.save({"images": images.half(), "labels": labels}, out)
    content = torch.load(file, weights_only=True)
    return content["images"], content["labels"]


def run(job: Job, cache: Path, *, with_shifts: bool = True) -> dict[str, Any]:
    """Train and test; return the record."""
    begun = time.perf_counter()
    task = TASKS[job.task]
    cases, test = split(job)
    images, labels = pool_of(job, cases, cache)
    prepared = time.perf_counter()
    network = build(task, task.classes, job.seed)
    if job.arm.start is not None:
        network.load_state_dict(started(network.state_dict(), task, job, images, labels, cache))
    tested, curve = train(network, task, job, images, labels, test)
    scores = dice(task, test, predict(tested, task, [case.image for case in test]))
    record = job.settings() | {
        "key": job.key,
        "name": job.arm.name,
        "dice": round(mean_dice(scores), 4),
        "classes": [round(v, 4) for v in by_class(scores)],
        "collapsed": [c + 1 for c, v in enumerate(by_class(scores)) if v < COLLAPSED],
        "curve": curve,
        "patients": scores,
    }
    if with_shifts and job.inner is None:
        record["shifts"] = {
            name: round(mean_dice(dice(task, fewer(test), predict(tested, task, moved))), 4)
            for name, moved in shifted(job.task).items()
        }
    record["seconds"] = [round(prepared - begun, 1), round(time.perf_counter() - prepared, 1)]
    return record


def train(
    network: nn.Module, task: Task, job: Job, images: Tensor, labels: Tensor, test: list[Case]
) -> tuple[nn.Module, list[list[float]]]:
    """Train ``network``; return what is to be tested, and ``[step, mean Dice]`` on the way."""
    recipe = job.recipe
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=recipe.weight_decay, fused=True)
    loss = Loss(stages(task) - 1, recipe.batch_dice)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.average)) if recipe.average else None
    draw = np.random.default_rng([job.seed, 3])
    generator = torch.Generator().manual_seed(job.seed)
    curve = []
    for step in range(recipe.steps):
        x, y = batch(images, labels, recipe.batch, draw)
        if job.arm.warp:
            x, y = warped(x, y, job.arm.warp, generator)
        if job.arm.mix is not None:
            x = renew(x, y, job.arm.mix, generator, share=job.arm.mix.share_at(step / recipe.steps))
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate_at(step)
        value = loss(apply(network, x), y)
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        if average is not None:
            average.update_parameters(network)
        tested = network if average is None else average.module
        if step + 1 in checkpoints(recipe.steps):
            some = fewer(test)
            found = dice(task, some, predict(tested, task, [case.image for case in some]))
            curve.append([step + 1, round(mean_dice(found), 4)])
    return tested, curve
