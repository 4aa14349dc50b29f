"""Fit one tensor to another shape. Each rule keeps the response to an input for which both shapes can agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from rasd_nnu.transfer.kernels import (
    Inflation,
    MisfitError,
    Role,
    Width,
    inflate_kernel,
    map_channels,
    resample_axis,
    resample_offsets,
    resample_positions,
    resize_kernel_axis,
    resize_width,
    spread_channels,
    width_difference,
)


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
    return spread_channels(value, count), [f"input channels {value.shape[1]} -> {count}: their sum, 1/{count} for each"]
