"""Carry pre-trained weights into a network: first a plan for every distinct tensor, then copies in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from rasd_nnu.transfer.report import TensorEntry, TransferReport
from rasd_nnu.transfer.tensors import DistinctTensor, distinct_tensors


@dataclass(frozen=True)
class Step:
    """What is to become of one distinct tensor: its entry in the report, and the values if it is carried."""

    target: DistinctTensor
    entry: TensorEntry
    value: torch.Tensor | None


def unwrap(network: nn.Module) -> nn.Module:
    """Return the module inside of ``DistributedDataParallel`` and ``torch.compile`` wrappers."""
    if isinstance(network, nn.parallel.DistributedDataParallel):
        network = network.module
    inner = getattr(network, "_orig_mod", network)
    assert isinstance(inner, nn.Module)
    return inner


def plan_transfer(weights: Mapping[str, torch.Tensor], network: nn.Module) -> list[Step]:
    """Decide for each distinct tensor of ``network`` where its values come from; nothing is changed yet.

    Args:
        weights: State dict of the pre-trained network.
        network: Target, without wrappers.

    Returns:
        One step per distinct tensor.
    """
    return [_step(weights, tensor) for tensor in distinct_tensors(network.state_dict())]


def _step(weights: Mapping[str, torch.Tensor], target: DistinctTensor) -> Step:
    shape = tuple(target.tensor.shape)
    source = next((name for name in target.names if name in weights), None)

    def left(reason: str) -> Step:
        return Step(target, TensorEntry(target.names[0], target.part, shape, "left", source, reason), None)

    if target.part == "head":
        return left("segmentation heads are not carried")
    if source is None:
        return left("not in the checkpoint")
    value = weights[source]
    if value.shape != target.tensor.shape:
        return left(f"the checkpoint has shape {list(value.shape)}")
    return Step(target, TensorEntry(target.names[0], target.part, shape, "copied", source), value)


@torch.no_grad()
def apply_plan(steps: list[Step]) -> None:
    """Copy the planned values in place, so that optimisers and wrappers keep their parameters."""
    for step in steps:
        if step.value is not None:
            step.target.tensor.copy_(step.value)


def transfer_weights(
    weights: Mapping[str, torch.Tensor], network: nn.Module, *, required: float = 1.0
) -> TransferReport:
    """Carry ``weights`` into ``network`` in place.

    Consumes no randomness; tensors that are not carried stay as they are.

    Args:
        weights: State dict of the pre-trained network.
        network: Target, possibly wrapped for several devices or compiled.
        required: Least share of the parameters, segmentation heads apart, that must be carried.

    Returns:
        The report.

    Raises:
        TransferError: If less than ``required`` fits; the network is then unchanged.
    """
    steps = plan_transfer(weights, unwrap(network))
    report = TransferReport(tuple(step.entry for step in steps))
    report.require(required)
    apply_plan(steps)
    return report
