"""What a checkpoint and its run report say about how they were made."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.pretrain.cases import CaseMaps
from rasd_nnu.pretrain.hardware import Hardware
from rasd_nnu.pretrain.history import History
from rasd_nnu.pretrain.objective import contrastive
from rasd_nnu.pretrain.offline import OfflineSamples
from rasd_nnu.pretrain.recipe import Recipe
from rasd_nnu.pretrain.stream import samples_used
from rasd_nnu.pretrain.synthesis import STREAM_VERSION, SynthesisConfig
from rasd_nnu.pretrain.synthesis.normalise import not_imitated
from rasd_nnu.pretrain.timing import StepTimer

_PACKAGES = ("rasd-nnu", "torch", "nnunetv2", "dynamic-network-architectures", "lightning-fabric", "numpy")


def report_path(checkpoint: Path) -> Path:
    """Return the path of the run report beside a checkpoint."""
    return checkpoint.with_name(f"{checkpoint.stem}.run_report.json")


def samples_different(recipe: Recipe, iterations: int, offline: OfflineSamples | None) -> int:
    """Return how many different samples the first ``iterations`` have."""
    used = samples_used(iterations, recipe.batch_size, recipe.reuse)
    return used if offline is None else min(used, offline.manifest.samples)


def run_details(
    config: SynthesisConfig,
    recipe: Recipe,
    hardware: Hardware,
    fabric: Fabric,
    history: History,
    timer: StepTimer,
    offline: OfflineSamples | None = None,
    cases: CaseMaps | None = None,
) -> dict[str, Any]:
    """Return the ``rasd`` details of a checkpoint after ``history.settled`` iterations, plain values only."""
    samples = history.settled * recipe.batch_size
    return {
        **({"maps": "fields"} if cases is None else cases.details()),
        "synthesis": config.to_dict(),
        "objective": _objective(recipe, cases),
        "recipe": recipe.to_dict(),
        "seed": recipe.seed,
        "iterations": history.settled,
        "finished": history.settled == recipe.iterations,
        "samples_seen": samples,
        "samples_different": samples_different(recipe, history.settled, offline),
        "offline": offline and {"samples": offline.manifest.samples, "digest": offline.manifest.digest},
        "final_losses": history.final(),
        "curve": history.curve(),
        "versions": {
            "python": sys.version.split()[0],
            "synthesis_stream": STREAM_VERSION,
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        "hardware": {"device": _device_name(fabric.device), "processes": hardware.processes},
        "seconds": timer.seconds,
        "synthesis_share": timer.synthesis_share,
    }


def _objective(recipe: Recipe, cases: CaseMaps | None) -> dict[str, Any]:
    if recipe.objective == "contrastive":
        return {
            "name": "supervised_contrastive",
            "temperature": recipe.temperature,
            "views": recipe.views,
            "voxels": contrastive.VOXELS,
            "projection": {"widths": [contrastive.WIDTH] * 3, "normalization": "instance"},
        }
    return {
        "name": "prototype_disentangling",
        "temperature": recipe.temperature,
        "reduction": "mean",
        "normalize": recipe.normalize,
        **({} if cases is None else {"targets": "dice_and_cross_entropy"}),
    }


def describe(
    target: NetworkTarget,
    config: SynthesisConfig,
    recipe: Recipe,
    network: nn.Module,
    fabric: Fabric,
    offline: OfflineSamples | None = None,
    cases: CaseMaps | None = None,
) -> str:
    """Return the lines that a run starts with."""
    name = target.architecture["network_class_name"].rpartition(".")[2]
    planned = f"planned for {target.dataset} {target.plans} {target.configuration}" if target.dataset else "standard"
    parameters = sum(p.numel() for p in network.parameters())  # a shared parameter counts once
    shape, classes = " x ".join(map(str, config.shape)), config.classes
    different = samples_different(recipe, recipe.iterations, offline)
    unknown = not_imitated(config.normalization)
    warning = f"\nwarning: {', '.join(unknown)} cannot be imitated; synthetic images get a z-score" if unknown else ""
    return (
        f"network  {name}, {planned}, {parameters / 1e6:.2f} M parameters\n"
        f"samples  {shape}, {config.channels} channel(s), {classes} classes, preset {config.name}, "
        f"{different} different ones{f' of {offline.folder}' if offline else ''}\n"
        f"{'' if cases is None else cases.describe()}"
        f"recipe   {recipe.iterations} iterations of {recipe.batch_size}, AdamW {recipe.lr:g} {recipe.schedule}, "
        f"{recipe.precision} on {fabric.world_size} x {_device_name(fabric.device)}, seed {recipe.seed}{warning}"
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
