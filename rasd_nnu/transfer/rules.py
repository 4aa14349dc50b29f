"""Fit one tensor to another shape. Each rule keeps the response to an input for which both shapes can agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from rasd_nnu.transfer.misfit import MisfitError
from rasd_nnu.transfer.resample import resample_axis, resample_offsets, resample_positions, resize_kernel_axis
from rasd_nnu.transfer.roles import Role
from rasd_nnu.transfer.width import Width, resize_width, width_difference

#: How a 2D kernel becomes a 3D one: in the middle slice, or spread evenly over the axis.
Inflation = Literal["centre", "mean"]


@dataclass(frozen=True)
class Adaptation:
    """Which shapes may be adapted and how, beyond what keeps the function anyway.

    Args:
        inflate: How 2D kernels become 3D ones; None refuses.
        width: How widths are fitted; None refuses.
        channels: For each input channel of the target the checkpoint's channel, or None for a new one. Without it,
            every channel gets the same share of the kernel where the numbers differ.
        grids: Patches along each axis in the checkpoint and in the target, for networks with position encodings.
    """

    inflate: Inflation | None = None
    width: Width | None = None
    channels: tuple[int | None, ...] | None = None
    grids: tuple[tuple[int, ...], tuple[int, ...]] | None = None


@dataclass(frozen=True)
class Fitted:
    """Values of the target's shape, and the rules that led there (none for a plain copy)."""

    value: torch.Tensor
    rules: tuple[str, ...] = ()


def fit(value: torch.Tensor, initial: torch.Tensor, role: Role = "other", how: Adaptation | None = None) -> Fitted:
    """Fit a weight, bias or norm parameter to the target's shape.

    Args:
        value: Kernel ``(out, in, *k)``, transposed kernel ``(in, out, *k)``, matrix, vector or table.
        initial: The target's tensor as it was initialised.
        role: What the tensor does.
        how: What may be adapted; None for no more than the default.

    Raises:
        MisfitError: If no rule applies.
    """
    how = how or Adaptation()
    reads_image = role in ("image", "patch")
    if value.shape == initial.shape and not (reads_image and how.channels):
        return Fitted(value)
    if role == "positions" and how.grids:
        grids = " -> ".join("x".join(map(str, grid)) for grid in how.grids)
        fitted = resample_positions(value, how.grids, initial.shape[1])
        return Fitted(fitted, (f"positions interpolated, grid {grids}",))
    if role == "offsets" and value.shape[1:] == initial.shape[1:]:
        fitted = resample_offsets(value, len(initial))
        return Fitted(fitted, (f"window offsets interpolated, {len(value)} -> {len(initial)}",))
    value, rules = _fit_kernel(value, initial.shape, role, how)
    if value.shape[:2] != initial.shape[:2]:
        if how.width is None or value.ndim not in (1, 4, 5):
            raise MisfitError(width_difference(value, initial))
        rules.append(f"{width_difference(value, initial)}: {how.width}")
        value = resize_width(value, initial, role, how.width)
    return Fitted(value.contiguous(), tuple(rules))


def _fit_kernel(
    value: torch.Tensor, shape: Sequence[int], role: Role, how: Adaptation
) -> tuple[torch.Tensor, list[str]]:
    """Fit dimension, image channels and spatial size of a kernel; return it with the rules."""
    rules: list[str] = []
    if value.ndim == 4 and len(shape) == 5:
        value = inflate_kernel(value, shape[2], role, how.inflate)
        rules.append(f"2D kernel to 3D by {how.inflate}")
    if value.ndim != len(shape):
        raise MisfitError(f"shape {list(value.shape)} in the checkpoint against {list(shape)}: other dimensions")
    if role in ("image", "patch"):
        value, rule = _fit_channels(value, shape[1], how.channels)
        rules += rule
    for axis in range(2, len(shape)):
        if value.shape[axis] != shape[axis]:
            if role == "transposed":
                rules.append(f"stride along axis {axis - 2}: {value.shape[axis]} -> {shape[axis]}")
                value = resample_axis(value, axis, shape[axis], keep="mean")
                continue
            rules.append(f"kernel axis {axis - 2}: {value.shape[axis]} -> {shape[axis]}")
            if role == "patch":
                value = resample_axis(value, axis, shape[axis], keep="sum")
            else:
                value = resize_kernel_axis(value, axis, shape[axis])
    return value, rules


def _fit_channels(
    value: torch.Tensor, count: int, channels: tuple[int | None, ...] | None
) -> tuple[torch.Tensor, list[str]]:
    if channels is not None:
        if len(channels) != count or any(i is not None and i >= value.shape[1] for i in channels):
            raise MisfitError(
                f"a map of {len(channels)} input channels, {value.shape[1]} in the checkpoint, {count} here"
            )
        text = ", ".join("new" if i is None else str(i) for i in channels)
        return map_channels(value, channels), [f"input channels taken from {text}"]
    if value.shape[1] == count:
        return value, []
    return spread_channels(value, count), [f"input channels {value.shape[1]} -> {count}"]


def spread_channels(value: torch.Tensor, channels: int) -> torch.Tensor:
    """Give every input channel the same share of the kernel.

    An image whose channels are equal then gives the response that it gave before, whatever their number.
    """
    share = value.sum(1, keepdim=True) / channels
    return share.repeat(1, channels, *[1] * (value.ndim - 2))


def map_channels(value: torch.Tensor, channels: Sequence[int | None]) -> torch.Tensor:
    """Give every input channel the kernel of the channel that it stands for; new ones start at 0.

    The response to the channels that are known is kept, and training gives the new ones their weight.
    """
    nothing = torch.zeros_like(value[:, 0])
    return torch.stack([nothing if i is None else value[:, i] for i in channels], 1)


def inflate_kernel(value: torch.Tensor, depth: int, role: Role, how: Inflation | None) -> torch.Tensor:
    """Turn a 2D kernel into a 3D one of ``depth`` along the new first axis.

    In the middle slice, every slice of a volume gives what it gave as an image; spread evenly, so does the mean of
    the neighbouring slices. Either keeps the response to a volume that is constant along the axis.

    Raises:
        MisfitError: If ``how`` is None or the depth is even and has no middle.
    """
    if how is None:
        raise MisfitError("a 2D kernel in the checkpoint against 3D")
    value = value.unsqueeze(2)
    if role == "transposed":
        return value.repeat_interleave(depth, 2)
    if how == "mean" or role == "patch":
        return value.repeat_interleave(depth, 2) / depth
    return resize_kernel_axis(value, 2, depth) if depth > 1 else value
