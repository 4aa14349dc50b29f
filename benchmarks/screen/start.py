"""Pre-training on the screen: the engine's fields, or the label maps of the labelled patients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from augment import batch
from loss import Loss
from network import apply, build, stages
from recipe import PROTOCOL, Job, Start, digest
from tasks import Task
from torch import Tensor, nn
from torch.nn import functional

from rasd_nnu.files import atomic_file
from rasd_nnu.pretrain.objective import PrototypeDisentangling
from rasd_nnu.pretrain.synthesis import SynthesisConfig, synthesize
from rasd_nnu.pretrain.synthesis.regions import RegionsConfig, regions
from rasd_nnu.pretrain.synthesis.renew import RenewConfig, render_regions
from rasd_nnu.pretrain.synthesis.warp import warped

FEATURES, CLASSES = 32, 8
_RATE, _BATCH = 1e-3, 8

#: What is transferred: beginnings of the names of parameters.
_PARTS = {"whole": "", "encoder": "encoder", "shallow": ("encoder.stages.0", "encoder.stages.1")}

#: The labelled patients' maps are deformed, and nothing of their appearance is left.
_WARP = 0.8
_APPEARANCE = RenewConfig(kind="random", share=1.0, regions=RegionsConfig(merge=0.2, divide=0.2))


def started(
    weights: dict[str, Tensor], task: Task, job: Job, images: Tensor, labels: Tensor, cache: Path
) -> dict[str, Tensor]:
    """Return ``weights`` with what the arm's start carries put in their place."""
    start = job.arm.start
    assert start is not None
    found = _pretrained(task, job, start, images, labels, cache)
    heads = start.maps == "cases" and start.targets > 0
    kept = {
        name: value[: task.classes] if "seg_layers" in name else value
        for name, value in found.items()
        if (heads or "seg_layers" not in name) and name.startswith(_PARTS[start.part])
    }
    return weights | {name: torch.lerp(weights[name], value, start.weight) for name, value in kept.items()}


def _pretrained(task: Task, job: Job, start: Start, images: Tensor, labels: Tensor, cache: Path) -> dict[str, Tensor]:
    """Pre-train, or read what was pre-trained before; one a seed, and a set of labelled patients for ``cases``."""
    seed = 0 if start.shared else job.seed
    if start.maps == "fields":
        return on_fields(task, start, seed, cache)
    key = [start.maps, start.steps, seed, job.task, job.labelled, job.inner, start.targets, start.prototypes]
    return _cached(cache, key, lambda: _on_cases(task, job, start, images, labels))


def on_fields(task: Task, start: Start, seed: int, cache: Path) -> dict[str, Tensor]:
    """Pre-train on the engine's fields, or read what was pre-trained before."""
    key = [start.maps, start.steps, seed, task.patch, task.channels]
    key += [start.scales, start.cut] if start.scales or start.cut else []
    return _cached(cache, key, lambda: _on_fields(task, seed, start))


def _cached(cache: Path, key: list[Any], pretrain: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    file = cache / f"start_{digest([PROTOCOL, *key])}.pt"
    if not file.is_file():
        weights = pretrain()
        with atomic_file(file) as out:
            torch.save(weights, out)
    loaded: dict[str, Tensor] = torch.load(file, weights_only=True)
    return loaded


def _optimizer(
    modules: list[nn.Module], steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    parameters = [p for module in modules for p in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, _RATE, weight_decay=0.01, fused=True)
    return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)


def _on_fields(task: Task, seed: int, start: Start) -> dict[str, Tensor]:
    """Learn prototypes of the engine's own samples."""
    network = build(task, FEATURES, seed)
    objective = PrototypeDisentangling(normalize=True)
    config = SynthesisConfig.preset(
        shape=task.patch, classes=CLASSES, channels=task.channels, normalization=["ZScoreNormalization"]
    )
    optimizer, schedule = _optimizer([network], start.steps)
    generator = torch.Generator().manual_seed(seed)
    for step in range(start.steps):
        x, y = synthesize(config, seed, range(step * _BATCH, (step + 1) * _BATCH))
        outputs = apply(network, x, cut=start.cut, generator=generator)
        value = torch.stack([objective(o, _at(o, y), CLASSES).total for o in outputs[: None if start.scales else 1]])
        value = value.mean()
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 12)
        optimizer.step()
        schedule.step()
    return network.state_dict()


def _at(output: Tensor, labels: Tensor) -> Tensor:
    """Return labels ``(B, *S)`` at the scale of an output ``(B, C, *S')``, the nearest voxel's."""
    return functional.interpolate(labels[:, None].float(), output.shape[2:])[:, 0].to(labels.dtype)


def _on_cases(task: Task, job: Job, start: Start, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Learn the targets, and prototypes of all regions, of the labelled patients' maps in random appearance.

    The first channels of each head are the targets' and are carried with it; the others are the features.
    """
    network = build(task, task.classes + FEATURES, job.seed)
    objective = PrototypeDisentangling(normalize=True)
    loss = Loss(stages(task) - 1, job.recipe.batch_dice)
    optimizer, schedule = _optimizer([network], start.steps)
    draw = np.random.default_rng([job.seed, 4])
    generator = torch.Generator().manual_seed(job.seed + 1)
    for _ in range(start.steps):
        x, y = warped(*batch(images, labels, _BATCH, draw), _WARP, generator)
        parts = regions(x, y, _APPEARANCE.regions, generator)
        outputs = apply(network, render_regions(x, parts, _APPEARANCE, generator))
        value = start.targets * loss([o[:, : task.classes] for o in outputs], y)
        if start.prototypes:
            features = outputs[0][:, task.classes :]
            value = value + start.prototypes * objective(features, parts, int(parts.max()) + 1).total
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 12)
        optimizer.step()
        schedule.step()
    return network.state_dict()
