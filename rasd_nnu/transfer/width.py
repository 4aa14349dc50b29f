"""Fit kernels between networks of other width, where a person asks for it: channels have no order to go by."""

from __future__ import annotations

from typing import Literal

import torch

from rasd_nnu.transfer.misfit import MisfitError
from rasd_nnu.transfer.roles import Role

#: ``crop`` keeps the first channels of a wider checkpoint, ``pad`` adds random ones to a narrower one.
Width = Literal["crop", "pad"]


def resize_width(value: torch.Tensor, initial: torch.Tensor, role: Role, how: Width) -> torch.Tensor:
    """Fit the channels of ``value`` into those of ``initial``.

    Padded, the new channels keep their random kernels, and the carried ones do not read them at first: what the
    carried ones compute is kept. Cropped, it is not.

    Args:
        value: Kernel or vector of the checkpoint, with the spatial size of the target.
        initial: The target's randomly initialised tensor.
        role: Its role.
        how: What is allowed.

    Raises:
        MisfitError: If an axis would have to change the other way.
    """
    axes = range(min(2, value.ndim))
    if any((value.shape[a] > initial.shape[a]) if how == "pad" else (value.shape[a] < initial.shape[a]) for a in axes):
        raise MisfitError(f"{width_difference(value, initial)}, which {how} cannot mend")
    result = initial.detach().clone()
    if value.ndim == 1:
        count = min(len(value), len(result))
        result[:count] = value[:count]
        return result
    out_axis, in_axis = (1, 0) if role == "transposed" else (0, 1)
    outputs = min(value.shape[out_axis], result.shape[out_axis])
    carried, source = result.narrow(out_axis, 0, outputs), value.narrow(out_axis, 0, outputs)
    carried.zero_()
    halves = 2 if role == "concatenated" else 1
    for ours, theirs in zip(carried.chunk(halves, in_axis), source.chunk(halves, in_axis), strict=True):
        inputs = min(ours.shape[in_axis], theirs.shape[in_axis])
        ours.narrow(in_axis, 0, inputs).copy_(theirs.narrow(in_axis, 0, inputs))
    return result


def width_difference(value: torch.Tensor, initial: torch.Tensor) -> str:
    """Say in what the channels differ."""
    return f"width {list(value.shape[:2])} in the checkpoint against {list(initial.shape[:2])}"
