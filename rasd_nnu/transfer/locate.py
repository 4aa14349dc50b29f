"""Which checkpoint a planned network starts from, and how much of it has to fit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from rasd_nnu.errors import CheckpointError, TransferError
from rasd_nnu.nnunet import NetworkTarget
from rasd_nnu.pretrain.checkpoint import default_path, pretrain_command
from rasd_nnu.transfer.adapt import transfer_weights
from rasd_nnu.transfer.report import TransferReport
from rasd_nnu.transfer.source import Source
from rasd_nnu.transfer.stages import name_map

DEFAULT_FOLDER = "default folder"

#: Least share of the encoder's parameters that a checkpoint made for another network has to cover.
REQUIRED_OF_OTHERS = 0.7


def checkpoint_for(target: NetworkTarget, plans: Mapping[str, Any]) -> tuple[Path, str]:
    """Return the path of the checkpoint to start from, and what named it.

    In this order: the environment variable ``RASD_CHECKPOINT``, ``checkpoint_path`` in the plans' ``pretrain_info``,
    and the file that `rasd_nnu pretrain` makes for exactly this plan.

    Raises:
        CheckpointError: If the file does not exist; the message holds the command that makes it.
    """
    named = os.environ.get("RASD_CHECKPOINT")
    planned = (plans.get("pretrain_info") or {}).get("checkpoint_path")
    if named:
        path, chosen_by = Path(named).expanduser(), "RASD_CHECKPOINT"
    elif planned:
        path, chosen_by = Path(planned).expanduser(), "pretrain_info"
    else:
        path, chosen_by = default_path(target), DEFAULT_FOLDER
    if not path.is_file():
        raise CheckpointError(
            f"no pre-trained checkpoint for {target.dataset}, plans {target.plans}, configuration "
            f"{target.configuration}: {path} (named by {chosen_by}) does not exist. Make it with "
            f"`{pretrain_command(target)}`, set RASD_CHECKPOINT to an existing one, or train without one by naming "
            "the trainer RaSDTrainer_scratch."
        )
    return path, chosen_by


def start_from(source: Source, chosen_by: str, target: NetworkTarget, network: nn.Module) -> TransferReport:
    """Carry a checkpoint into the planned network.

    One that was made for exactly this network has to cover all of it, segmentation heads apart. One that a person named
    is adapted by the rules and has to cover `REQUIRED_OF_OTHERS` of the encoder. One of the default folder that
    was made for earlier plans is refused.

    Args:
        source: The checkpoint.
        chosen_by: What named it, as `checkpoint_for` returns it.
        target: Description of the planned network.
        network: The planned network.

    Raises:
        TransferError: If it is of another dimension, was made for earlier plans, or fits too little.
    """
    theirs = source.description
    if theirs is None:
        return transfer_weights(source.weights, network, required=REQUIRED_OF_OTHERS, part="encoder")
    if target.same_network(theirs.architecture, theirs.input_channels):
        return transfer_weights(source.weights, network)
    if chosen_by == DEFAULT_FOLDER or theirs.dims != target.dims:
        raise TransferError(
            f"{source.path} was not pre-trained for the network of {target.dataset}, plans {target.plans}, "
            f"configuration {target.configuration}: {_difference(theirs, target)}. Pre-train that network: "
            f"{pretrain_command(target)} --overwrite"
        )
    names = name_map(theirs, target)
    return transfer_weights(source.weights, network, required=REQUIRED_OF_OTHERS, part="encoder", names=names)


def _difference(theirs: NetworkTarget, ours: NetworkTarget) -> str:
    """Say in what two networks differ."""
    if theirs.dims != ours.dims:
        return f"it is {theirs.dims}D, the plan is {ours.dims}D"
    if theirs.input_channels != ours.input_channels:
        return f"input channels {theirs.input_channels} against {ours.input_channels}"
    a, b = theirs.architecture, ours.architecture
    if a["network_class_name"] != b["network_class_name"]:
        return f"{a['network_class_name']} against {b['network_class_name']}"
    keys = sorted({*a["arch_kwargs"], *b["arch_kwargs"]})
    pairs = [(k, a["arch_kwargs"].get(k), b["arch_kwargs"].get(k)) for k in keys]
    return "; ".join(f"{k} {x} against {y}" for k, x, y in pairs if x != y)
