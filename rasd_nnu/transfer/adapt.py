"""Transfer pre-trained weights into a network: first a plan for every distinct tensor, then copies in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from rasd_nnu.transfer.kernels import MisfitError, role_of
from rasd_nnu.transfer.report import Action, TensorEntry, TransferReport
from rasd_nnu.transfer.rules import Adaptation, fit
from rasd_nnu.transfer.stages import NameMap
from rasd_nnu.transfer.tensors import DistinctTensor, Part, distinct_tensors

#: Modules whose tensors have a row for each output channel; other heads are mixed up with what comes before them.
_HEADS_BY_ROW = frozenset({"seg_layers", "out"})

NOTHING = "nothing in the checkpoint corresponds to it"


@dataclass(frozen=True)
class Step:
    """What is to become of one distinct tensor: its entry in the report, and the values if it is transferred."""

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


def plan_transfer(
    weights: Mapping[str, torch.Tensor],
    network: nn.Module,
    names: NameMap | None = None,
    how: Adaptation | None = None,
    only: Part | None = None,
    heads: bool = False,
) -> list[Step]:
    """Decide for each distinct tensor of ``network`` where its values come from; nothing is changed yet.

    Args:
        weights: State dict of the pre-trained network.
        network: Target, without wrappers.
        names: Which tensors correspond when the topologies differ (`name_map`), and allows their shapes to be
            adapted. None transfers only tensors of the same name and shape.
        how: What may be adapted beyond the default.
        only: Transfer this part alone; None transfers all but the segmentation heads.
        heads: Transfer the segmentation heads, too: the checkpoint's first output channels are the network's.

    Returns:
        One step per distinct tensor.
    """
    steps = [
        _head_step(weights, tensor) if heads and tensor.part == "head" else _step(weights, tensor, names, how)
        for tensor in distinct_tensors(network.state_dict())
    ]
    return steps if only is None else [_left_out(step, only) for step in steps]


def _left_out(step: Step, only: Part) -> Step:
    """Return the step, or one that leaves the tensor if it is of another part than ``only``."""
    if step.value is None or step.target.part == only:
        return step
    entry = replace(step.entry, action="left", reason=f"only the {only} is transferred")
    return Step(step.target, entry, None)


def _step(
    weights: Mapping[str, torch.Tensor], target: DistinctTensor, names: NameMap | None, how: Adaptation | None
) -> Step:
    name, shape = target.names[0], tuple(target.tensor.shape)
    candidates = target.names if names is None else (names(name),)
    source = next((n for n in candidates if n in weights), None)

    def step(action: Action, value: torch.Tensor | None, reason: str = "") -> Step:
        return Step(target, TensorEntry(name, target.part, shape, action, source, reason), value)

    if target.part == "head":
        return step("left", None, "segmentation heads are not transferred")
    if source is None:
        unmapped = names is not None and candidates == (None,)
        return step("left", None, names.otherwise if names and unmapped else NOTHING)
    value = weights[source]
    if not value.is_floating_point():
        return step("left", None, f"the checkpoint has {str(value.dtype).removeprefix('torch.')} values")
    if names is None and value.shape != shape:
        return step("left", None, f"the checkpoint has shape {list(value.shape)}")
    try:
        fitted = fit(value, target.tensor, role_of(name), how)
    except MisfitError as misfit:
        return step("left", None, str(misfit))
    return step("adapted" if fitted.rules else "copied", fitted.value, "; ".join(fitted.rules))


def _head_step(weights: Mapping[str, torch.Tensor], target: DistinctTensor) -> Step:
    """Take the first rows of a segmentation head that learned the same labels."""
    name, shape = target.names[0], tuple(target.tensor.shape)
    value = next((weights[n] for n in target.names if n in weights), None)
    by_row = bool(_HEADS_BY_ROW & set(name.split(".")))
    if value is None or not by_row or value.shape[1:] != shape[1:] or len(value) < shape[0]:
        return Step(target, TensorEntry(name, "head", shape, "left", None, "the head has no row for each label"), None)
    reason = f"the first {shape[0]} of {len(value)} rows, which learned the same labels"
    return Step(target, TensorEntry(name, "head", shape, "adapted", name, reason), value[: shape[0]])


@torch.no_grad()
def apply_plan(steps: list[Step]) -> None:
    """Copy the planned values in place, so that optimisers and wrappers keep their parameters."""
    for step in steps:
        if step.value is not None:
            step.target.tensor.copy_(step.value)


def transfer_weights(
    weights: Mapping[str, torch.Tensor],
    network: nn.Module,
    *,
    required: float = 1.0,
    part: Part | None = None,
    names: NameMap | None = None,
    how: Adaptation | None = None,
    only: Part | None = None,
    heads: bool = False,
) -> TransferReport:
    """Transfer ``weights`` into ``network`` in place.

    Consumes no randomness; tensors that are not transferred stay as they are.

    Args:
        weights: State dict of the pre-trained network.
        network: Target, possibly wrapped for several devices or compiled.
        required: Least share of the parameters that must be transferred.
        part: Part of the network whose share counts; None for all but the segmentation heads.
        names: As for `plan_transfer`.
        how: As for `plan_transfer`.
        only: As for `plan_transfer`; the share of this part then counts.
        heads: As for `plan_transfer`.

    Returns:
        The report.

    Raises:
        TransferError: If less than ``required`` fits; the network is then unchanged.
    """
    steps = plan_transfer(weights, unwrap(network), names, how, only, heads)
    report = TransferReport(tuple(step.entry for step in steps))
    report.require(required, part or only)
    apply_plan(steps)
    return report
