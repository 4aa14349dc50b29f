"""Which checkpoint belongs to a planned network."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rasd_nnu.errors import CheckpointError, TransferError
from rasd_nnu.nnunet import NetworkTarget
from rasd_nnu.pretrain.checkpoint import default_path, load_checkpoint, pretrain_command


@dataclass(frozen=True)
class Source:
    """A checkpoint that was read and found to fit.

    Args:
        path: The file.
        sha256: Its digest.
        chosen_by: What named it: ``RASD_CHECKPOINT``, ``pretrain_info`` of the plans, or the default folder.
        weights: State dict of the pre-trained network.
        meta: The checkpoint's ``rasd`` entry.
    """

    path: Path
    sha256: str
    chosen_by: str
    weights: Mapping[str, torch.Tensor]
    meta: Mapping[str, Any]


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
        path, chosen_by = default_path(target), "default folder"
    if not path.is_file():
        raise CheckpointError(
            f"no pre-trained checkpoint for {target.dataset}, plans {target.plans}, configuration "
            f"{target.configuration}: {path} (named by {chosen_by}) does not exist. Make it with "
            f"`{pretrain_command(target)}`, set RASD_CHECKPOINT to an existing one, or train without one by naming the "
            "trainer RaSDTrainer_scratch."
        )
    return path, chosen_by


def open_source(path: Path, chosen_by: str, target: NetworkTarget) -> Source:
    """Read a checkpoint and make sure that it is of the planned network.

    Raises:
        CheckpointError: If the file is damaged, unsafe, not ours, or holds values that are not finite.
        TransferError: If it is of another dimension or another network than ``target``.
    """
    content = load_checkpoint(path)
    meta, weights = content["rasd"], content["network_weights"]
    _require_same_network(path, meta, target)
    bad = next((n for n, v in weights.items() if v.is_floating_point() and not v.isfinite().all()), None)
    if bad is not None:
        raise CheckpointError(
            f"{path} holds values that are not finite, first in {bad!r}; expected finite weights. "
            f"Pre-train again with a lower rate: {pretrain_command(target)}"
        )
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Source(path, sha256, chosen_by, weights, meta)


def _require_same_network(path: Path, meta: Mapping[str, Any], target: NetworkTarget) -> None:
    """Refuse a checkpoint whose described network is not the planned one, naming what differs."""
    if target.same_network(meta["architecture"], meta["input_channels"]):
        return
    ours, theirs = target.architecture, meta["architecture"]
    if meta["dims"] != target.dims:
        difference = f"it is {meta['dims']}D, the plan is {target.dims}D"
    elif meta["input_channels"] != target.input_channels:
        difference = f"input channels {meta['input_channels']} against {target.input_channels}"
    elif theirs["network_class_name"] != ours["network_class_name"]:
        difference = f"{theirs['network_class_name']} against {ours['network_class_name']}"
    else:
        keys = sorted({*theirs["arch_kwargs"], *ours["arch_kwargs"]})
        pairs = [(k, theirs["arch_kwargs"].get(k), ours["arch_kwargs"].get(k)) for k in keys]
        difference = "; ".join(f"{k} {a} against {b}" for k, a, b in pairs if a != b)
    raise TransferError(
        f"{path} was not pre-trained for the network of {target.dataset}, plans {target.plans}, configuration "
        f"{target.configuration}: {difference}. Pre-train that network: {pretrain_command(target)}"
    )
