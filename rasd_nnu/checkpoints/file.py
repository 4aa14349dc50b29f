"""Checkpoints: what they hold, how they are written without ever being half written, and read without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rasd_nnu.checkpoints.metadata import check_entries
from rasd_nnu.errors import CheckpointError
from rasd_nnu.files import atomic_file, explained
from rasd_nnu.nnunet.plans import NetworkTarget

#: Version of the ``rasd`` entry.
FORMAT_VERSION = 1


def resume_path(checkpoint: Path) -> Path:
    """Return the path of the resume state beside a checkpoint."""
    return checkpoint.with_name(f"{checkpoint.stem}.resume.pth")


def atomic_save(content: Any, path: Path) -> None:
    """``torch.save`` to a temporary file beside ``path``, flush it to disk, then rename it over ``path``.

    Raises:
        CheckpointError: If the disk is full or the folder cannot be written; ``path`` is then as it was.
    """
    try:
        with atomic_file(path) as file:
            torch.save(content, file)
    except OSError as error:
        raise CheckpointError(f"{explained(error)} An earlier file there is intact.") from error
    except RuntimeError as error:  # torch reports a full disk so
        raise CheckpointError(
            f"could not write {path} ({error}); an earlier file there is intact. Free space or choose another --out."
        ) from error


def safe_load(path: Path) -> dict[str, Any]:
    """Read a file of tensors and plain values, never executing anything in it.

    Raises:
        CheckpointError: If the file is missing, truncated, holds code, or is not a dict.
    """
    try:
        there = path.is_file()
    except OSError as error:  # a name that is too long
        raise CheckpointError(f"cannot read {str(path)[:200]} ({error.strerror}). Check the path.") from None
    if not there:
        raise CheckpointError(f"no checkpoint at {path}. Check the path, or make one with `rasd_nnu pretrain`.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:  # without a name: torch, of a truncated file
            raise CheckpointError(str(explained(error))) from None
        if "Weights only load failed" in str(error) or "Unsupported" in str(error):
            raise CheckpointError(
                f"{path} holds pickled objects other than tensors and plain values; expected a file that "
                "torch.load(weights_only=True) reads. It was not opened, as it could run code."
            ) from None
        raise CheckpointError(
            f"{path} is damaged or truncated ({type(error).__name__}). Copy or make it again."
        ) from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, expected a dict of weights.")
    return content


def host_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state dict on the CPU; tensors that nnU-Net's networks list twice stay one tensor.

    A decoder of nnU-Net also holds its encoder, so that a state dict has two to four names for a tensor.
    """
    copies: dict[tuple[int, torch.Size], torch.Tensor] = {}
    state = {}
    for key, value in network.state_dict().items():
        identity = (value.data_ptr(), value.shape)
        state[key] = copies.setdefault(identity, value.detach().cpu())
    return state


def checkpoint_content(network: nn.Module, target: NetworkTarget, details: Mapping[str, Any]) -> dict[str, Any]:
    """Assemble a checkpoint.

    Args:
        network: The pre-trained network, without wrappers.
        target: Its description.
        details: What else the ``rasd`` entry holds: synthesis, objective, recipe, seed, iterations, ...; plain
            values only.

    Returns:
        A dict with ``network_weights`` (nnU-Net's key), ``nnssl_adaptation_plan`` (nnssl's) and ``rasd``.
    """
    architecture = target.architecture
    return {
        "network_weights": host_weights(network),
        "nnssl_adaptation_plan": _adaptation_plan(network, target),
        "rasd": {
            "format_version": FORMAT_VERSION,
            "architecture": architecture,
            "dims": target.dims,
            "input_channels": target.input_channels,
            "patch_size": list(target.patch_size),
            "spacing": list(target.spacing),
            "normalization": list(target.normalization),
            "planned_for": target.dataset
            and {"dataset": target.dataset, "plans": target.plans, "configuration": target.configuration},
            **details,
        },
    }


def _adaptation_plan(network: nn.Module, target: NetworkTarget) -> dict[str, Any]:
    """Describe the network as nnssl's fine-tuning tools expect it."""
    architecture = target.architecture
    names = ("key_to_encoder", "key_to_stem", "keys_to_in_proj", "key_to_lpe")
    parts = {name: getattr(network, name) for name in names if hasattr(network, name)}
    return {
        "architecture_plans": {
            "arch_class_name": architecture["network_class_name"],
            "arch_kwargs": architecture["arch_kwargs"],
            "arch_kwargs_requiring_import": list(architecture["_kw_requires_import"]),
        },
        "pretrain_plan": {
            "configurations": {
                target.configuration or f"{target.dims}d": {
                    "spacing": list(target.spacing),
                    "patch_size": list(target.patch_size),
                    "normalization_schemes": list(target.normalization),
                }
            }
        },
        "pretrain_num_input_channels": target.input_channels,
        "recommended_downstream_patchsize": list(target.patch_size),
        **{name: list(part) if isinstance(part, tuple | list) else part for name, part in parts.items()},
    }


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read one of our checkpoints.

    Raises:
        CheckpointError: As `safe_load`; or if it is not ours, of a newer format, or its metadata are damaged.
    """
    content = safe_load(path)
    meta = content.get("rasd")
    if not isinstance(meta, dict) or "network_weights" not in content:
        raise CheckpointError(
            f"{path} has no 'rasd' and 'network_weights' entries (found: {', '.join(map(str, list(content)[:5]))}); "
            "expected a checkpoint of `rasd_nnu pretrain`."
        )
    if meta.get("format_version") != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format version {str(meta.get('format_version'))[:20]}, this version reads {FORMAT_VERSION}. "
            "Upgrade rasd-nnu."
        )
    check_entries(path, content)
    return content
