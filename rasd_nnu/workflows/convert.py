"""Write pre-trained weights as the file that stock nnU-Net's ``-pretrained_weights`` takes for a plan."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import torch

from rasd_nnu.checkpoints.file import atomic_save, host_weights
from rasd_nnu.checkpoints.read import Source
from rasd_nnu.checkpoints.seen import refuse_seen_in_fold, seen_by
from rasd_nnu.errors import PlansError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.transfer.report import TransferReport
from rasd_nnu.transfer.stages import unet_kind
from rasd_nnu.transfer.start import StartOptions, start


def convert(
    source: Source,
    target: NetworkTarget,
    out: Path,
    options: StartOptions = StartOptions(),  # noqa: B008  (frozen)
    fold: str | None = None,
) -> TransferReport:
    """Fit a checkpoint to a planned network and write the result.

    nnU-Net demands every tensor but the segmentation heads, in the planned shape. What the checkpoint does not
    cover gets nnU-Net's random initialisation, the same each time; the report says which tensors these are.

    Args:
        source: The checkpoint.
        target: The planned network.
        out: File to write.
        options: What of it is transferred, and how; segmentation heads never are, as nnU-Net leaves them out.
        fold: The fold to train; needed for weights that learned from cases.

    Returns:
        What became of each tensor.

    Raises:
        TransferError: If too little fits, or the weights learned from cases that the fold holds out.
        PlansError: If the network is not one that nnU-Net's own trainer builds.
    """
    if unet_kind(target.architecture) is None:
        raise PlansError(
            f"{target.architecture['network_class_name']} has no segmentation heads that -pretrained_weights leaves "
            "out, expected one of nnU-Net's U-Nets. Train it with RaSDTrainer and RASD_CHECKPOINT."
        )
    refuse_seen_in_fold(source, target, fold)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(target)
    report = start(source, target, network, replace(options, heads=False))
    weights = {name: value for name, value in host_weights(network).items() if ".seg_layers." not in name}
    origin = {
        "path": str(source.path.resolve()),
        "sha256": source.sha256,
        "shares": report.to_dict()["shares"],
        "planned_for": {"dataset": target.dataset, "plans": target.plans, "configuration": target.configuration},
        "rasd-nnu": importlib.metadata.version("rasd-nnu"),
    }
    if seen := seen_by(source):
        origin["seen"] = {"dataset": seen.dataset, "fold": seen.fold, "cases": dict(seen.cases)}
    atomic_save({"network_weights": weights, "converted_from": origin}, out)
    return report
