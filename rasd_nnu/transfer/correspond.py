"""What of a pre-trained network belongs where in a planned one, whatever the two are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rasd_nnu.errors import TransferError
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.transfer.kernels import Inflation, Width
from rasd_nnu.transfer.rules import Adaptation
from rasd_nnu.transfer.stages import NameMap, unet_kind, unet_map

#: What stands for a new channel in a map of channels.
NEW_CHANNEL = "-"


@dataclass(frozen=True)
class FitOptions:
    """What a person may allow beyond the rules that keep the function.

    Args:
        width: Crop or pad networks of other width.
        inflate: Transfer a 2D network into a 3D one, and how.
        channels: For each input channel of the plan the checkpoint's channel, by name or number, or ``-`` for a new
            one, as ``T1,T2,-``; None gives every channel the same share where the numbers differ.
    """

    width: Width | None = None
    inflate: Inflation | None = None
    channels: str | None = None


def family(architecture: dict[str, Any]) -> str:
    """Return what networks have in common whose tensors can correspond: ``U-Net``, ``Primus``, or the class."""
    name = str(architecture["network_class_name"]).rsplit(".", 1)[-1]
    if unet_kind(architecture):
        return "U-Net"
    return "Primus" if name in {"Primus", *(f"Primus{size}" for size in "SBML")} else name


def name_map(source: NetworkTarget, target: NetworkTarget) -> NameMap:
    """Return which name in the checkpoint belongs to a name in the planned network.

    U-Nets of nnU-Net correspond by resolution (`rasd_nnu.transfer.stages`), others of one family by name.

    Raises:
        TransferError: If the two are of different families.
    """
    theirs, ours = family(source.architecture), family(target.architecture)
    if theirs != ours:
        raise TransferError(
            f"the checkpoint is a {theirs}, the plan's network is a {ours}: no tensor of the one has a counterpart in "
            "the other. Choose a trainer or plans with that network, or pre-train this one with `rasd_nnu pretrain`."
        )
    return unet_map(source, target) if theirs == "U-Net" else NameMap(lambda name: name)


def adaptation(
    source: NetworkTarget, target: NetworkTarget, options: FitOptions, channel_names: Sequence[str] = ()
) -> Adaptation:
    """Turn what a person allows into rules for these two networks.

    Args:
        source: The pre-trained network.
        target: The planned one.
        options: What is allowed.
        channel_names: Names of the checkpoint's input channels, where it has them.

    Raises:
        TransferError: If an option does not make sense for them.
    """
    kind = family(source.architecture)
    for option, value in (("width", options.width), ("inflate", options.inflate)):
        if value and kind != "U-Net":
            raise TransferError(
                f"{option} is {value!r}, but the network is a {kind}; only U-Nets can be fitted so. Leave it out."
            )
    channels = None
    if options.channels:
        channels = parse_channels(options.channels, source.input_channels, target.input_channels, channel_names)
    theirs, ours = _patch_grid(source), _patch_grid(target)
    return Adaptation(options.inflate, options.width, channels, (theirs, ours) if theirs and ours else None)


def parse_channels(text: str, available: int, needed: int, names: Sequence[str] = ()) -> tuple[int | None, ...]:
    """Turn ``T1,T2,-`` into the checkpoint's channel for each channel of the plan.

    Example:
        >>> parse_channels("T2,-,t1", 2, 3, ["T1", "T2"])
        (1, None, 0)

    Raises:
        TransferError: If the number of entries or one of them is wrong.
    """
    words = [word.strip() for word in text.split(",")]
    if len(words) != needed:
        raise TransferError(
            f"channels is {text!r}, {len(words)} entries; expected {needed}, one a channel of the plan."
        )
    known = {str(i): i for i in range(available)} | {name.lower(): i for i, name in enumerate(names)}
    if unknown := [word for word in words if word != NEW_CHANNEL and word.lower() not in known]:
        raise TransferError(
            f"the checkpoint has no input channel {unknown[0]!r}, expected {', '.join(names) or 'a number'} "
            f"(0 to {available - 1}) or {NEW_CHANNEL} for a new one."
        )
    return tuple(None if word == NEW_CHANNEL else known[word.lower()] for word in words)


def _patch_grid(target: NetworkTarget) -> tuple[int, ...] | None:
    """Return how many patches Primus cuts its input into along each axis, None for other networks."""
    kwargs = target.architecture.get("arch_kwargs") or {}
    size, shape = kwargs.get("patch_embed_size"), kwargs.get("input_shape")
    return tuple(n // p for n, p in zip(shape, size, strict=True)) if size and shape else None
