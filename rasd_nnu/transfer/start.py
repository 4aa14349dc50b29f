"""How a network starts from a checkpoint: decided here alone, for the trainer, `convert`, `inspect` and the tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from rasd_nnu.checkpoints.read import Source
from rasd_nnu.checkpoints.registry import default_path, pretrain_command
from rasd_nnu.errors import TransferError
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.transfer.adapt import transfer_weights
from rasd_nnu.transfer.correspond import FitOptions, adaptation, name_map
from rasd_nnu.transfer.report import TransferReport
from rasd_nnu.transfer.tensors import Part

#: Least share of the encoder's parameters that a checkpoint made for another network has to cover.
REQUIRED_OF_OTHERS = 0.7

#: What is transferred: all but the segmentation heads (those too if they are the plan's own), or the encoder alone.
Transfer = Literal["whole", "encoder"]


@dataclass(frozen=True)
class StartOptions:
    """What a person may decide about a start.

    Args:
        transfer: ``whole`` or ``encoder``; None for what `part_to_transfer` says.
        require: Least share of the parameters that must fit; None for all of a checkpoint that was made for exactly
            this network, and `REQUIRED_OF_OTHERS` of the encoder of another.
        fit: What may be adapted beyond the rules that keep the function.
        heads: Whether segmentation heads that learned the plan's own labels are transferred with the whole.
    """

    transfer: Transfer | None = None
    require: float | None = None
    fit: FitOptions = FitOptions()  # noqa: RUF009  (frozen)
    heads: bool = True


def part_to_transfer(source: Source, asked: Transfer | None = None) -> Part | None:
    """Return the part of a checkpoint to transfer, or None for all but the segmentation heads.

    Unless asked for ``whole`` or ``encoder``: the encoder of those of `rasd_nnu pretrain` that saw no cases, of which
    no loss was shown after 1000 iterations, while with their decoder one was (docs/reference/few_shot.md); all of
    others, whose decoders were trained to segment.
    """
    if asked is None:
        asked = "encoder" if source.meta and not source.meta.get("seen") else "whole"
    return "encoder" if asked == "encoder" else None


def start(
    source: Source,
    target: NetworkTarget,
    network: nn.Module,
    options: StartOptions = StartOptions(),
) -> TransferReport:
    """Transfer a checkpoint into the planned network.

    One of ours or of nnU-Net that was made for exactly this network has to cover all of it, segmentation heads apart;
    heads that learned exactly the plan's labels, from the cases of a fold, are transferred too.
    Another is adapted by the rules and has to cover `REQUIRED_OF_OTHERS` of the encoder. One that lies where
    `rasd_nnu pretrain` puts the checkpoint of this very plan but is of another network was made for earlier plans, and
    is refused.

    Args:
        source: The checkpoint.
        target: Description of the planned network.
        network: The planned network.
        options: What a person decided.

    Raises:
        TransferError: If it is of another dimension or another kind of network, was made for earlier plans, or fits
            too little; the network is then unchanged.
    """
    theirs, fit = source.description, options.fit
    only = part_to_transfer(source, options.transfer)
    exact, other = (1.0, REQUIRED_OF_OTHERS) if options.require is None else (options.require,) * 2
    if theirs is None:
        return transfer_weights(source.weights, network, required=other, part="encoder", only=only)
    same = target.same_network(theirs.architecture, theirs.input_channels)
    if same and fit == FitOptions() and not source.of_others:
        heads = options.heads and only is None and _same_targets(source, target)
        return transfer_weights(source.weights, network, required=exact, only=only, heads=heads)
    outdated = not same and _is_of_the_plan(source, target)
    inflated = fit.inflate is not None and (theirs.dims, target.dims) == (2, 3)
    if outdated or (theirs.dims != target.dims and not inflated):
        raise _refusal(source, theirs, target, overwrite=outdated)
    names, how = name_map(theirs, target), adaptation(theirs, target, fit, source.channel_names)
    return transfer_weights(source.weights, network, required=other, part="encoder", names=names, how=how, only=only)


def _same_targets(source: Source, target: NetworkTarget) -> bool:
    """Tell whether the first channels of the checkpoint's heads stand for exactly the plan's labels."""
    return bool(target.labels) and source.meta.get("targets") == target.labels


def _is_of_the_plan(source: Source, target: NetworkTarget) -> bool:
    """Tell whether a checkpoint lies where that of this plan, or of a fold of it, does."""
    path, usual = source.path.resolve(), default_path(target).resolve()
    return path.parent == usual.parent and path.stem.partition("__fold_")[0] == usual.stem


def _refusal(source: Source, theirs: NetworkTarget, target: NetworkTarget, *, overwrite: bool) -> TransferError:
    return TransferError(
        f"{source.path} was not pre-trained for the network of {target.dataset}, plans {target.plans}, "
        f"configuration {target.configuration}: {_difference(theirs, target)}. Pre-train that network: "
        f"{pretrain_command(target)}{' --overwrite' if overwrite else ''}"
    )


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
