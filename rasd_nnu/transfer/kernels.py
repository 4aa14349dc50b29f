"""Kernels, vectors and tables in another shape: tensor arithmetic that keeps as much of the response as possible."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch.nn import functional as F

#: How a 2D kernel becomes a 3D one: in the middle slice, or spread evenly over the axis.
Inflation = Literal["centre", "mean"]

#: ``crop`` keeps the first channels of a wider checkpoint, ``pad`` adds random ones to a narrower one.
Width = Literal["crop", "pad"]

#: ``image``: a kernel that reads the image; ``patch``: one that reads it in patches, with its size as its stride;
#: ``transposed``: a transposed convolution whose stride is its size; ``concatenated``: a convolution that reads the
#: upsampled features and the skip, each half of its inputs; ``positions``: one vector a patch; ``offsets``: one
#: value for each offset within a window; ``other``: any other tensor.
Role = Literal["image", "patch", "transposed", "concatenated", "positions", "offsets", "other"]

_ROLES: tuple[tuple[Role, str], ...] = (
    ("image", r"encoder\.stem\.convs\.0\.conv\.weight"),
    ("image", r"encoder\.stages\.0\.0\.convs\.0\.conv\.weight"),
    ("image", r"encoder1\.layer\.conv[13]\.conv\.weight"),
    ("image", r"model\.0\.(?:conv\.unit0\.conv|residual)\.weight"),
    ("patch", r"swinViT\.patch_embed\.proj\.weight"),
    ("patch", r"down_projection\.proj\.weight"),
    ("transposed", r"decoder\.transpconvs\.\d+\.weight"),
    ("concatenated", r"decoder\.stages\.\d+\.convs\.0\.conv\.weight"),
    ("positions", r"eva\.pos_embed"),
    ("offsets", r"swinViT\..+\.relative_position_bias_table"),
)


def role_of(name: str) -> Role:
    """Return the role of the tensor ``name`` in nnU-Net's U-Nets, MONAI's networks or Primus.

    Example:
        >>> role_of("decoder.transpconvs.0.weight")
        'transposed'
    """
    return next((role for role, pattern in _ROLES if re.search(rf"(?:^|\.){pattern}$", name)), "other")


class MisfitError(Exception):
    """No rule leads from the one shape to the other; the message is the reason that the report gives."""


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


def resize_kernel_axis(value: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """Collapse an axis of an ordinary kernel to 1 by its sum, or put it in the middle of a longer one.

    A sum, and not a mean, keeps the response to an input that is constant along the axis; centred, the new
    weights start at 0 and the response to any input is kept.

    Raises:
        MisfitError: If the kernel would be cut, or has no middle.
    """
    before = value.shape[axis]
    if size == 1:
        return value.sum(axis, keepdim=True)
    if before < size and before % 2 and size % 2:
        shape = list(value.shape)
        shape[axis] = size
        out = value.new_zeros(shape)
        out.narrow(axis, (size - before) // 2, before).copy_(value)
        return out
    raise MisfitError(f"kernel size {before} in the checkpoint against {size} along axis {axis - 2}")


def resample_axis(value: torch.Tensor, axis: int, size: int, keep: Literal["mean", "sum"]) -> torch.Tensor:
    """Change the size of a kernel whose stride is its size, as a piecewise constant function of the place.

    Every output voxel of such a transposed convolution gets exactly one weight of the axis, so that the ``mean`` has
    to be kept (1 to n repeats, n to 1 averages). Every input voxel of a patch embedding is read once, so that the
    ``sum`` has to be (1 to n shares out, n to 1 adds up). Either keeps the response to an input that is constant.
    """
    before = value.shape[axis]
    edges_before = torch.linspace(0, 1, before + 1, dtype=torch.float64)
    edges = torch.linspace(0, 1, size + 1, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], edges_before[None, 1:])
    overlap = (overlap - torch.maximum(edges[:-1, None], edges_before[None, :-1])).clamp_min(0)
    overlap *= size if keep == "mean" else before
    return torch.tensordot(value.double(), overlap, dims=([axis], [1])).movedim(-1, axis).to(value.dtype)


def resample_positions(
    value: torch.Tensor, grids: tuple[tuple[int, ...], tuple[int, ...]], tokens: int
) -> torch.Tensor:
    """Interpolate one vector a patch linearly to another grid of patches.

    Args:
        value: ``(1, R + prod(grid), C)``; the first R belong to register tokens and have no place.
        grids: Patches along each axis in the checkpoint and in the target.
        tokens: Number of vectors in the target, its register tokens included.

    Raises:
        MisfitError: If the numbers do not belong to these grids, or the register tokens differ in number.
    """
    theirs, ours = (torch.Size(grid).numel() for grid in grids)
    if value.ndim != 3:
        raise MisfitError(f"positions of shape {list(value.shape)} in the checkpoint")
    registers = value.shape[1] - theirs
    if registers < 0 or tokens - ours != registers:
        raise MisfitError(f"{value.shape[1]} positions in the checkpoint against {tokens}")
    image = value[:, registers:].transpose(1, 2).unflatten(2, grids[0])
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(grids[0])]
    resized = F.interpolate(image.float(), size=grids[1], mode=mode, align_corners=False)
    return torch.cat([value[:, :registers], resized.flatten(2).transpose(1, 2).to(value.dtype)], 1)


def resample_offsets(value: torch.Tensor, rows: int) -> torch.Tensor:
    """Interpolate a table of values for the offsets within a window to another size of window.

    Offset 0 stays offset 0, the largest stays the largest.

    Args:
        value: ``((2w - 1)^d, heads)`` of a window with equal sides ``w``.
        rows: ``(2v - 1)^d`` of the target.

    Raises:
        MisfitError: If the windows are not squares or cubes, or of other dimensions.
    """
    theirs, ours = _sides(value.shape[0]), _sides(rows)
    dims = next((d for d in (3, 2) if d in theirs and d in ours), None)
    if dims is None:
        raise MisfitError(f"{value.shape[0]} window offsets in the checkpoint against {rows}")
    table = value.T.unflatten(1, (theirs[dims],) * dims).unsqueeze(0)
    mode = "trilinear" if dims == 3 else "bilinear"
    resized = F.interpolate(table.float(), size=(ours[dims],) * dims, mode=mode, align_corners=True)
    return resized[0].flatten(1).T.to(value.dtype)


def _sides(rows: int) -> dict[int, int]:
    """Return number of axes -> offsets along each, for those that make ``rows`` the offsets of a whole window."""
    sides = {dims: round(rows ** (1 / dims)) for dims in (2, 3)}
    return {dims: side for dims, side in sides.items() if side**dims == rows and side % 2}


def resize_width(value: torch.Tensor, initial: torch.Tensor, role: Role, how: Width) -> torch.Tensor:
    """Fit the channels of ``value`` into those of ``initial``.

    Padded, the new channels keep their random kernels, and the transferred ones do not read them at first: what the
    transferred ones compute is kept. Cropped, it is not.

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
        raise MisfitError(f"{width_difference(value, initial)}, which {how} cannot fix")
    result = initial.detach().clone()
    if value.ndim == 1:
        count = min(len(value), len(result))
        result[:count] = value[:count]
        return result
    out_axis, in_axis = (1, 0) if role == "transposed" else (0, 1)
    outputs = min(value.shape[out_axis], result.shape[out_axis])
    transferred, source = result.narrow(out_axis, 0, outputs), value.narrow(out_axis, 0, outputs)
    transferred.zero_()
    halves = 2 if role == "concatenated" else 1
    for ours, theirs in zip(transferred.chunk(halves, in_axis), source.chunk(halves, in_axis), strict=True):
        inputs = min(ours.shape[in_axis], theirs.shape[in_axis])
        ours.narrow(in_axis, 0, inputs).copy_(theirs.narrow(in_axis, 0, inputs))
    return result


def width_difference(value: torch.Tensor, initial: torch.Tensor) -> str:
    """Say in what the channels differ."""
    return f"width {list(value.shape[:2])} in the checkpoint against {list(initial.shape[:2])}"
