"""Which checkpoint a planned network starts from, and how much of it has to fit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from rasd_nnu.errors import CheckpointError, TransferError
from rasd_nnu.nnunet import NetworkTarget
from rasd_nnu.pretrain.checkpoint import default_path, pretrain_command
from rasd_nnu.pretrain.hub import is_remote, local_path
from rasd_nnu.transfer.adapt import transfer_weights
from rasd_nnu.transfer.correspond import FitOptions, adaptation, name_map
from rasd_nnu.transfer.report import TransferReport
from rasd_nnu.transfer.source import Source
from rasd_nnu.transfer.tensors import Part

DEFAULT_FOLDER = "default folder"
STANDARD_NETWORK = "standard network"

#: Least share of the encoder's parameters that a checkpoint made for another network has to cover.
REQUIRED_OF_OTHERS = 0.7


def checkpoint_for(target: NetworkTarget, plans: Mapping[str, Any], standard: str | None = None) -> tuple[Path, str]:
    """Return the path of the checkpoint to start from, and what named it.

    In this order: the environment variable ``RASD_CHECKPOINT``, ``checkpoint_path`` in the plans' ``pretrain_info``,
    and the file that `rasd_nnu pretrain` makes for exactly this plan. The former two may name a file elsewhere, as
    ``hf://owner/name`` or ``https://...``; it is downloaded once.

    Args:
        target: The network to start.
        plans: Its plans.
        standard: Name of a standard architecture that stands in for the planned network: the file is then the one
            of the standard network, which no plan has a part in.

    Raises:
        CheckpointError: If the file does not exist; the message holds the command that makes it.
    """
    named = os.environ.get("RASD_CHECKPOINT")
    planned = (plans.get("pretrain_info") or {}).get("checkpoint_path")
    if named:
        path, chosen_by = local_path(named), _named_by("RASD_CHECKPOINT", named)
    elif planned:
        path, chosen_by = local_path(planned), _named_by("pretrain_info", planned)
    else:
        path, chosen_by = default_path(target), DEFAULT_FOLDER
        if standard is not None:
            path, chosen_by = default_path(replace(target, dataset=None), standard), STANDARD_NETWORK
    if not path.is_file():
        command = f"rasd_nnu pretrain -d {target.dims}d --arch {standard}" if standard else pretrain_command(target)
        raise CheckpointError(
            f"no pre-trained checkpoint for {target.dataset}, plans {target.plans}, configuration "
            f"{target.configuration}: {path} (named by {chosen_by}) does not exist. Make it with "
            f"`{command}`, set RASD_CHECKPOINT to an existing one, or train without one by naming "
            "the trainer RaSDTrainer_scratch."
        )
    return path, chosen_by


def _named_by(what: str, source: str) -> str:
    """Say what named a source, and where it lies if that is not a path that the report has anyway."""
    return f"{what} {source}" if is_remote(source) else what


def part_to_carry(source: Source, asked: str | None = None) -> Part | None:
    """Return the part of a checkpoint to carry, or None for all but the segmentation heads.

    Unless asked for ``whole`` or ``encoder``: the encoder of those of `rasd_nnu pretrain`, of which no loss was shown
    after 1000 iterations, while with their decoder one was (docs/reference/few_shot.md); all of others, whose decoders
    were trained to segment.
    """
    if asked is None:
        asked = "encoder" if source.meta else "whole"
    return "encoder" if asked == "encoder" else None


def start_from(
    source: Source,
    chosen_by: str,
    target: NetworkTarget,
    network: nn.Module,
    *,
    require: float | None = None,
    only: Part | None = None,
    options: FitOptions = FitOptions(),  # noqa: B008  (frozen)
) -> TransferReport:
    """Carry a checkpoint into the planned network.

    One of ours or of nnU-Net that was made for exactly this network has to cover all of it, segmentation heads apart.
    Another that a person named is adapted by the rules and has to cover `REQUIRED_OF_OTHERS` of the encoder. One of
    the default folder that was made for earlier plans is refused.

    Args:
        source: The checkpoint.
        chosen_by: What named it, as `checkpoint_for` returns it.
        target: Description of the planned network.
        network: The planned network.
        require: Another least share than the one above.
        only: Carry this part alone.
        options: What may be adapted beyond the rules that keep the function.

    Raises:
        TransferError: If it is of another dimension or another kind of network, was made for earlier plans, or fits
            too little.
    """
    theirs = source.description
    exact, other = (1.0, REQUIRED_OF_OTHERS) if require is None else (require, require)
    if theirs is None:
        return transfer_weights(source.weights, network, required=other, part="encoder", only=only)
    same = target.same_network(theirs.architecture, theirs.input_channels)
    if same and options == FitOptions() and not source.of_others:
        return transfer_weights(source.weights, network, required=exact, only=only)
    inflated = options.inflate is not None and (theirs.dims, target.dims) == (2, 3)
    if chosen_by == DEFAULT_FOLDER or (theirs.dims != target.dims and not inflated):
        raise TransferError(
            f"{source.path} was not pre-trained for the network of {target.dataset}, plans {target.plans}, "
            f"configuration {target.configuration}: {_difference(theirs, target)}. Pre-train that network: "
            f"{pretrain_command(target)} --overwrite"
        )
    names, how = name_map(theirs, target), adaptation(theirs, target, options, source.channel_names)
    return transfer_weights(source.weights, network, required=other, part="encoder", names=names, how=how, only=only)


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
