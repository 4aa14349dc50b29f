"""Change the size of a tensor along its spatial axes so that as much of the response as possible is kept."""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional as F

from rasd_nnu.transfer.misfit import MisfitError


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
