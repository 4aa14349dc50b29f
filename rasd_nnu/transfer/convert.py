"""Write pre-trained weights as the file that stock nnU-Net's ``-pretrained_weights`` takes for a plan."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import torch

from rasd_nnu.errors import PlansError
from rasd_nnu.nnunet import NetworkTarget
from rasd_nnu.pretrain.checkpoint import atomic_save, host_weights
from rasd_nnu.pretrain.networks import build_network
from rasd_nnu.transfer.correspond import FitOptions
from rasd_nnu.transfer.locate import part_to_carry, start_from
from rasd_nnu.transfer.report import TransferReport
from rasd_nnu.transfer.source import Source
from rasd_nnu.transfer.stages import unet_kind


def convert(
    source: Source,
    target: NetworkTarget,
    out: Path,
    *,
    require: float | None = None,
    transfer: str | None = None,
    options: FitOptions = FitOptions(),  # noqa: B008  (frozen)
) -> TransferReport:
    """Fit a checkpoint to a planned network and write the result.

    nnU-Net demands every tensor but the segmentation heads, in the planned shape. What the checkpoint does not
    cover gets nnU-Net's random initialisation, the same each time; the report says which tensors these are.

    Args:
        source: The checkpoint.
        target: The planned network.
        out: File to write.
        require: Least share of the parameters that must fit, instead of `start_from`'s.
        transfer: ``whole``, ``encoder``, or None as `part_to_carry` has it.
        options: What may be adapted beyond the rules that keep the function.

    Returns:
        What became of each tensor.

    Raises:
        TransferError: If too little fits.
        PlansError: If the network is not one that nnU-Net's own trainer builds.
    """
    if unet_kind(target.architecture) is None:
        raise PlansError(
            f"{target.architecture['network_class_name']} has no segmentation heads that -pretrained_weights leaves "
            "out, expected one of nnU-Net's U-Nets. Train it with RaSDTrainer and RASD_CHECKPOINT."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(target)
    only = part_to_carry(source, transfer)
    report = start_from(source, "convert", target, network, require=require, only=only, options=options)
    weights = {name: value for name, value in host_weights(network).items() if ".seg_layers." not in name}
    origin = {
        "path": str(source.path.resolve()),
        "sha256": source.sha256,
        "shares": report.to_dict()["shares"],
        "planned_for": {"dataset": target.dataset, "plans": target.plans, "configuration": target.configuration},
        "rasd-nnu": importlib.metadata.version("rasd-nnu"),
    }
    atomic_save({"network_weights": weights, "converted_from": origin}, out)
    return report
