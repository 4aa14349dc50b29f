"""Read pre-trained weights in the formats that are in use, without executing anything in the file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rasd_nnu.checkpoints import nnssl
from rasd_nnu.checkpoints.file import load_checkpoint, safe_load
from rasd_nnu.checkpoints.formats import known_names
from rasd_nnu.checkpoints.metadata import check_entries
from rasd_nnu.checkpoints.weights import check_weights
from rasd_nnu.errors import CheckpointError, PlansError
from rasd_nnu.networks.infer import describe_weights
from rasd_nnu.nnunet.plans import NetworkTarget, target_from_plans

#: Where files keep the weights: nnU-Net and nnssl; Lightning and MONAI; SuPreM; VoCo; others.
_STATE_KEYS = ("network_weights", "state_dict", "net", "student", "model")
_WRAPPERS = ("module.", "_orig_mod.", "network.", "model.")


@dataclass(frozen=True)
class Source:
    """Pre-trained weights and what their file says about them.

    Args:
        path: The file.
        sha256: Its digest.
        weights: State dict, without wrappers' prefixes.
        description: The network, or None where the file does not describe it.
        meta: The ``rasd`` entry of our checkpoints; empty for others.
        content: Everything that the file holds.
        channel_names: Names of the input channels, where the file has them.
        of_others: Whether it is neither ours nor nnU-Net's, and may hold an encoder alone though the networks agree.
    """

    path: Path
    sha256: str
    weights: Mapping[str, torch.Tensor]
    description: NetworkTarget | None
    meta: Mapping[str, Any]
    content: Mapping[str, Any]
    channel_names: tuple[str, ...] = ()
    of_others: bool = False


def open_source(path: Path, format: str | None = None) -> Source:
    """Read a checkpoint of `rasd_nnu pretrain`, of nnU-Net or of nnssl, a state dict, or another public format.

    Args:
        path: The file.
        format: One of `rasd_nnu.checkpoints.formats.FORMATS` for other people's weights.

    Raises:
        CheckpointError: If the file is missing, damaged, unsafe or not of this format, describes anything but a
            network, or holds no weights or some that are no finite numbers.
    """
    content = read_content(path)
    check_entries(path, content)
    weights = _named_weights(path, content)
    if format is not None:
        weights = known_names(weights, format, path)
    check_weights(path, weights)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    names = (content.get("init_args") or {}).get("dataset_json", {}).get("channel_names") or {}
    try:
        description = _description(content, weights)
    except PlansError as error:
        raise CheckpointError(f"{path}: {error}") from None
    others = not (content.get("rasd") or content.get("init_args"))
    channel_names = tuple(map(str, names.values()))
    return Source(path, sha256, weights, description, content.get("rasd") or {}, content, channel_names, others)


def read_content(path: Path) -> dict[str, Any]:
    """Read ours strictly; in others allow the numpy scalars that nnU-Net keeps in its log."""
    with torch.serialization.safe_globals(_numpy_scalars()):
        content = safe_load(path)
    return load_checkpoint(path) if "rasd" in content else content


def _numpy_scalars() -> list[Any]:
    """Return what a pickled numpy scalar consists of, under its names in numpy 1 and 2; none of it runs code."""
    rebuild = np.float64(0).__reduce__()[0]
    names = [(rebuild, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    return [*names, np.dtype, *(type(np.dtype(kind)) for kind in ("float64", "float32", "int64"))]


def _named_weights(path: Path, content: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the state dict with the network's own names."""
    state = state_dict(path, content)
    if "rasd" in content:
        return state
    state = _strip_wrappers(state)
    return nnssl.strip_prefix(state, content[nnssl.PLAN]) if content.get(nnssl.PLAN) else state


def state_dict(path: Path, content: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights in a file's content, under the names that they have there.

    Raises:
        CheckpointError: If it holds none.
    """
    for state in (*(content.get(key) for key in _STATE_KEYS), content):
        if not isinstance(state, dict) or not state:
            continue
        if all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in state.items()):
            return state
    raise CheckpointError(
        f"{path} holds no weights (found: {', '.join(map(str, list(content)[:5]))}); expected 'network_weights', "
        "'state_dict' or a plain state dict."
    )


def _strip_wrappers(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Take off the prefixes that all names share and that DDP, ``torch.compile`` and Lightning put on."""
    while prefix := next((p for p in _WRAPPERS if all(name.startswith(p) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state


def _description(content: dict[str, Any], weights: Mapping[str, torch.Tensor]) -> NetworkTarget | None:
    """Return the network that the file describes: our entry, nnU-Net's or nnssl's plans, or what the shapes tell."""
    if rasd := content.get("rasd"):
        return NetworkTarget(
            architecture=rasd["architecture"],
            input_channels=rasd["input_channels"],
            patch_size=tuple(rasd["patch_size"]),
            spacing=tuple(rasd["spacing"]),
            batch_size=1,
        )
    if init := content.get("init_args"):
        return target_from_plans(init["plans"], init["dataset_json"], init["configuration"])
    if plan := content.get(nnssl.PLAN):
        return nnssl.describe(weights, plan)
    return describe_weights(weights)
