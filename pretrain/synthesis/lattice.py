"""Coarse lattices over an image, and the small matrices that act along one axis of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch


@dataclass(frozen=True)
class Lattice:
    """A regular lattice with equal node distance in mm along all axes; its first node is the first voxel.

    Args:
        nodes: Number of nodes along each axis; the last one may lie beyond the image.
        step: Distance of two voxels in units of the node distance, along each axis.
        node_distance: In mm.
    """

    nodes: tuple[int, ...]
    step: tuple[float, ...]
    node_distance: float

    @classmethod
    @lru_cache(maxsize=256)
    def over(cls, shape: tuple[int, ...], spacing: tuple[float, ...], cells: int) -> Lattice:
        """Lay ``cells`` cells along the longest side (in mm) of an image; other sides get what covers them."""
        extents = [(n - 1) * s for n, s in zip(shape, spacing, strict=True)]
        distance = max(extents) / cells
        nodes = tuple(max(2, math.ceil(extent / distance - 1e-6) + 1) for extent in extents)
        return cls(nodes, tuple(s / distance for s in spacing), distance)


@dataclass(frozen=True)
class Geometry:
    """What an image is before anything is drawn.

    Args:
        shape: Size in voxels, an axis.
        spacing: In mm, an axis.
        channels: Number of channels, C.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    channels: int = 1

    @property
    def dims(self) -> int:
        """Number of spatial dimensions."""
        return len(self.shape)

    def lattice(self, cells: int) -> Lattice:
        """Lay a lattice of so many cells along the longest side over the image."""
        return Lattice.over(self.shape, self.spacing, cells)

    def to_mm(self, unit: str, cell: float = 0.0) -> float:
        """Return how many mm a unit of length is; a voxel is one of the finest axis.

        Args:
            unit: ``mm``, ``vox``, ``fraction`` (of the longest side) or ``cell``.
            cell: What a cell is, in mm.
        """
        if unit == "fraction":
            return max(n * s for n, s in zip(self.shape, self.spacing, strict=True))
        return {"mm": 1.0, "vox": min(self.spacing), "cell": cell}[unit]

    def upsample(self, field: torch.Tensor, cells: int) -> torch.Tensor:
        """Interpolate lattice values ``(*, *G)`` linearly at the voxels, ``(*, *S)``."""
        own = self.lattice(cells)
        matrices = [
            linear_matrix(n, g, s).to(field.device) for n, g, s in zip(self.shape, own.nodes, own.step, strict=True)
        ]
        return along_axes(field, matrices)


@lru_cache(maxsize=256)
def linear_matrix(voxels: int, nodes: int, step: float) -> torch.Tensor:
    """Return ``(voxels, nodes)`` weights of linear interpolation at node coordinates ``0, step, 2 step, ...``."""
    position = np.clip(np.arange(voxels) * step, 0, nodes - 1)
    left = np.minimum(position.astype(int), max(nodes - 2, 0))
    matrix = np.zeros((voxels, nodes))
    matrix[np.arange(voxels), left] = 1 - (position - left)
    if nodes > 1:
        matrix[np.arange(voxels), left + 1] += position - left
    return torch.from_numpy(matrix.astype(np.float32))


def thick_slice_matrix(voxels: int, thickness: float, offset: float) -> torch.Tensor:
    """Return the ``(voxels, voxels)`` matrix that averages into thick slices and interpolates back.

    Args:
        voxels: Length of the axis.
        thickness: Of a slice, in voxels; up to 1 gives the identity.
        offset: Where the first slice begins, in slices, 0 to 1.
    """
    if thickness <= 1:
        return torch.eye(voxels)
    slices = math.ceil(voxels / thickness) + 1
    edges = (np.arange(slices + 1) - offset) * thickness
    # Overlap of voxel v, which covers [v, v + 1), with slice k.
    voxel = np.arange(voxels)
    overlap = np.minimum(edges[1:, None], voxel + 1) - np.maximum(edges[:-1, None], voxel)
    overlap = np.clip(overlap, 0, None)
    used = overlap.sum(1) > 1e-6
    average = overlap[used] / overlap[used].sum(1, keepdims=True)
    centres = average @ (voxel + 0.5)
    back = np.stack([np.interp(voxel + 0.5, centres, row) for row in np.eye(len(centres))], axis=1)
    return torch.from_numpy((back @ average).astype(np.float32))


def along_axis(volume: torch.Tensor, matrix: torch.Tensor, axis: int) -> torch.Tensor:
    """Apply ``matrix`` ``(m, n)`` along one axis of length n, counted from the end (-1 is the last)."""
    shape = list(volume.shape)
    shape[axis] = len(matrix)
    if axis == -1:
        # Batched on purpose: one large product is split over threads in ways that change the last bits.
        flat = volume.reshape(-1, *volume.shape[-2:])
        return torch.bmm(flat, matrix.T.expand(len(flat), -1, -1)).reshape(shape)
    inner = math.prod(shape[axis + 1 :])
    return torch.matmul(matrix, volume.reshape(-1, matrix.shape[1], inner)).reshape(shape)


def along_axes(volume: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
    """Apply a matrix along each of the last axes of ``volume``.

    Args:
        volume: ``(*, n_1, ..., n_d)``.
        matrices: ``(m_k, n_k)`` an axis.

    Returns:
        ``(*, m_1, ..., m_d)``.
    """
    for axis, matrix in zip(range(-len(matrices), 0), matrices, strict=True):
        volume = along_axis(volume, matrix, axis)
    return volume
