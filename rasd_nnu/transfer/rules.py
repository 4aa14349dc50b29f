"""Fit one tensor to another shape. Each rule keeps the response to an input for which both shapes can agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

#: How a 2D kernel becomes a 3D one: in the middle slice, or spread evenly over the axis.
Inflation = Literal["centre", "mean"]


class MisfitError(Exception):
    """No rule leads from the one shape to the other; the message is the reason."""


@dataclass(frozen=True)
class Fitted:
    """Values of the target's shape, and the rules that led there (none for a plain copy)."""

    value: torch.Tensor
    rules: tuple[str, ...] = ()


def fit(
    value: torch.Tensor,
    shape: tuple[int, ...],
    *,
    stem: bool = False,
    transposed: bool = False,
    inflate: Inflation | None = None,
) -> Fitted:
    """Fit a weight, bias or norm parameter to ``shape``.

    Args:
        value: Kernel ``(out, in, *k)``, transposed kernel ``(in, out, *k)``, or vector.
        shape: The target's shape.
        stem: Whether the input channels are those of the image, and may therefore be repeated.
        transposed: Whether it is the kernel of a transposed convolution whose stride is its size.
        inflate: How to turn 2D kernels into 3D ones; None refuses.

    Raises:
        MisfitError: If no rule applies.
    """
    if value.shape == shape:
        return Fitted(value)
    if value.ndim < 3 or len(shape) < 3:
        raise MisfitError(f"width {list(value.shape)} in the checkpoint against {list(shape)}")
    rules: list[str] = []
    if value.ndim == 4 and len(shape) == 5:
        value = inflate_kernel(value, shape[2], transposed, inflate)
        rules.append(f"2D kernel to 3D by {inflate}")
    if value.ndim != len(shape):
        raise MisfitError(f"a {value.ndim - 2}D kernel in the checkpoint against {len(shape) - 2}D")
    if stem and value.shape[1] != shape[1]:
        rules.append(f"input channels {value.shape[1]} -> {shape[1]}")
        value = spread_channels(value, shape[1])
    if value.shape[:2] != shape[:2]:
        raise MisfitError(f"width {list(value.shape[:2])} in the checkpoint against {list(shape[:2])}")
    for axis in range(2, len(shape)):
        if value.shape[axis] != shape[axis]:
            rules.append(f"kernel axis {axis - 2}: {value.shape[axis]} -> {shape[axis]}")
            resize = resize_transposed_axis if transposed else resize_axis
            value = resize(value, axis, shape[axis])
    return Fitted(value.contiguous(), tuple(rules))


def spread_channels(value: torch.Tensor, channels: int) -> torch.Tensor:
    """Give every input channel the same share of the kernel.

    An image whose channels are equal then gives the response that it gave before, whatever their number.
    """
    share = value.sum(1, keepdim=True) / channels
    return share.repeat(1, channels, *[1] * (value.ndim - 2))


def resize_axis(value: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """Collapse a kernel axis to 1 by its sum, or put a single weight in the middle of a longer one.

    A sum, and not a mean, keeps the response to an input that is constant along the axis; centred, the new
    weights start at 0 and the response to any input is kept.

    Raises:
        MisfitError: If neither size is 1.
    """
    if size == 1:
        return value.sum(axis, keepdim=True)
    if value.shape[axis] == 1 and size % 2:
        return _centred(value, axis, size)
    raise MisfitError(f"kernel size {value.shape[axis]} in the checkpoint against {size} along axis {axis - 2}")


def resize_transposed_axis(value: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """Change the stride, which is the kernel's size, of a transposed convolution along an axis.

    Every output voxel gets exactly one weight of the axis, so that here the mean (to 1) and the repetition
    (from 1) keep the response, where an ordinary convolution needs sum and centre.

    Raises:
        MisfitError: If neither size is 1.
    """
    if size == 1:
        return value.mean(axis, keepdim=True)
    if value.shape[axis] == 1:
        return value.repeat_interleave(size, axis)
    raise MisfitError(f"stride {value.shape[axis]} in the checkpoint against {size} along axis {axis - 2}")


def inflate_kernel(value: torch.Tensor, depth: int, transposed: bool, how: Inflation | None) -> torch.Tensor:
    """Turn a 2D kernel into a 3D one of ``depth`` along the new first axis.

    In the middle slice, every slice of a volume gives what it gave as an image; spread evenly, so does the mean of
    the neighbouring slices. Either keeps the response to a volume that is constant along the axis.

    Raises:
        MisfitError: If ``how`` is None or the depth is even and has no middle.
    """
    if how is None:
        raise MisfitError("a 2D kernel in the checkpoint against 3D")
    value = value.unsqueeze(2)
    if transposed:
        return value.repeat_interleave(depth, 2)
    if how == "mean":
        return value.repeat_interleave(depth, 2) / depth
    return resize_axis(value, 2, depth) if depth > 1 else value


def _centred(value: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    shape = list(value.shape)
    shape[axis] = size
    out = value.new_zeros(shape)
    out.select(axis, size // 2).copy_(value.select(axis, 0))
    return out
