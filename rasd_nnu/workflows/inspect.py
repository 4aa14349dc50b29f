"""What a checkpoint file contains, whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rasd_nnu.checkpoints.file import resume_path, safe_load
from rasd_nnu.checkpoints.read import Source
from rasd_nnu.checkpoints.seen import refuse_seen_in_fold
from rasd_nnu.errors import CheckpointError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.transfer.report import TransferReport
from rasd_nnu.transfer.start import StartOptions, start
from rasd_nnu.transfer.tensors import distinct_tensors


def describe_source(source: Source) -> dict[str, Any]:
    """Return everything that a file of weights contains, as JSON values.

    Args:
        source: A checkpoint of `rasd_nnu pretrain`, of nnU-Net or of nnssl, or a state dict.

    Returns:
        ``path``, ``bytes``, ``sha256``, ``kind``, ``weights`` (counts of distinct tensors), ``network`` (None where
        the file does not describe it), ``rasd`` (the metadata of ours), ``nnunet`` (of nnU-Net's), ``resume``.
    """
    path, content = source.path, source.content
    return {
        "path": str(path),
        "bytes": path.stat().st_size,
        "sha256": source.sha256,
        "kind": _kind(content),
        "weights": _weights(source.weights),
        "network": source.description and _network(source.description),
        "rasd": dict(source.meta) or None,
        "nnunet": _nnunet(content) if content.get("init_args") else None,
        "resume": _resume(path),
    }


def fit_to(
    source: Source,
    target: NetworkTarget,
    options: StartOptions = StartOptions(),  # noqa: B008  (frozen)
    fold: str | None = None,
) -> TransferReport:
    """Tell how the weights fit a planned network, by the rules that the trainer goes by; nothing is kept.

    Args:
        source: The checkpoint.
        target: The planned network.
        options: What of it is transferred, and how.
        fold: The fold to train; needed for weights that learned from cases.

    Raises:
        TransferError: If the trainer would refuse them.
    """
    refuse_seen_in_fold(source, target, fold)
    return start(source, target, build_network(target), options)


def _kind(content: Mapping[str, Any]) -> str:
    for key, kind in (("rasd", "rasd_nnu"), ("init_args", "nnU-Net"), ("nnssl_adaptation_plan", "nnssl")):
        if content.get(key):
            return kind
    return "weights only"


def _weights(weights: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    tensors = distinct_tensors(weights)
    parts = {part: sum(t.tensor.numel() for t in tensors if t.part == part) for part in ("encoder", "decoder", "head")}
    return {
        "names": len(weights),
        "tensors": len(tensors),
        "parameters": sum(parts.values()),
        **parts,
        "types": sorted({str(t.tensor.dtype).removeprefix("torch.") for t in tensors}),
    }


def _network(target: NetworkTarget) -> dict[str, Any]:
    return {
        "class": target.architecture["network_class_name"],
        "dims": target.dims,
        "input_channels": target.input_channels,
        "patch_size": list(target.patch_size),
        "spacing": list(target.spacing),
        "arch_kwargs": target.architecture["arch_kwargs"],
    }


def _nnunet(content: Mapping[str, Any]) -> dict[str, Any]:
    init = content["init_args"]
    best = content.get("_best_ema")
    return {
        "trainer": content.get("trainer_name"),
        "dataset": init["plans"]["dataset_name"],
        "plans": init["plans"]["plans_name"],
        "configuration": init["configuration"],
        "fold": init.get("fold"),
        "labels": init["dataset_json"]["labels"],
        "epoch": content.get("current_epoch"),
        "best_ema_dice": None if best is None else float(best),
    }


def _resume(path: Path) -> dict[str, Any] | None:
    """Say how far the resume file beside a checkpoint is, or what is wrong with it."""
    state = resume_path(path)
    if not state.is_file():
        return None
    try:
        content = safe_load(state)
    except CheckpointError as error:
        return {"path": str(state), "error": str(error)}
    iteration = content.get("iteration")
    if not isinstance(iteration, int) or not 0 <= iteration < 2**63:
        return {"path": str(state), "error": "it has no iteration, expected a resume file of `rasd_nnu pretrain`"}
    return {"path": str(state), "iteration": iteration}
