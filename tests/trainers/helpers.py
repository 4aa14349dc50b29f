"""What several tests of the trainers share."""

from __future__ import annotations

import copy
from typing import Any

import torch

from rasd_nnu import trainers
from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import target_from_plans
from tests.helpers import TinyDataset


def make_trainer(tiny: TinyDataset, name: str, configuration: str = "3d_fullres", fold: int | str = 0) -> Any:
    """Construct a trainer as nnU-Net does."""
    plans = copy.deepcopy(tiny.plans) | {"continue_training": False}
    return getattr(trainers, name)(plans, configuration, fold, tiny.dataset_json, torch.device("cpu"))


def write_checkpoint(tiny: TinyDataset, configuration: str = "3d_fullres") -> torch.nn.Module:
    """Write the checkpoint of a configuration where the trainer looks for it."""
    target = target_from_plans(tiny.plans, tiny.dataset_json, configuration)
    network = build_network(target)
    atomic_save(checkpoint_content(network, target, {"seed": 5, "iterations": 1}), default_path(target))
    return network


def weights_of(trainer: Any) -> dict[str, torch.Tensor]:
    """Return copies of a trainer's parameters."""
    return {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
