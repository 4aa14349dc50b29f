"""Coarse lattices over an image, and the small matrices that act along one axis of it."""

from __future__ import annotations

import math
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
    def over(cls, shape: tuple[int, ...], spacing: tuple[float, ...], cells: int) -> Lattice:
        """Lay ``cells`` cells along the longest side (in mm) of an image; other sides get what covers them."""
        extents = [(n - 1) * s for n, s in zip(shape, spacing, strict=True)]
        distance = max(extents) / cells
        nodes = tuple(max(2, math.ceil(extent / distance - 1e-6) + 1) for extent in extents)
        return cls(nodes, tuple(s / distance for s in spacing), distance)


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


def gaussian_matrix(voxels: int, sigma: float) -> torch.Tensor:
    """Return the ``(voxels, voxels)`` matrix of a Gaussian blur; the rows sum to 1, also at the border.

    Args:
        voxels: Length of the axis.
        sigma: Standard deviation in voxels; 0 gives the identity.
    """
    if sigma <= 0:
        return torch.eye(voxels)
    distance = np.arange(voxels)[:, None] - np.arange(voxels)[None, :]
    matrix = np.exp(-0.5 * (distance / sigma) ** 2)
    matrix[np.abs(distance) > math.ceil(4 * sigma)] = 0
    return torch.from_numpy((matrix / matrix.sum(1, keepdims=True)).astype(np.float32))


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


def along_axes(volume: torch.Tensor, matrices: list[torch.Tensor]) -> torch.Tensor:
    """Apply a matrix along each of the last axes of ``volume``.

    Args:
        volume: ``(*, n_1, ..., n_d)``.
        matrices: ``(*, m_k, n_k)`` an axis, or with leading axes that broadcast against those of ``volume``.

    Returns:
        ``(*, m_1, ..., m_d)``.
    """
    axes = len(matrices)
    for axis, matrix in enumerate(matrices):
        if axis == axes - 1:
            volume = volume @ matrix.transpose(-1, -2)
        else:
            lead, rest = volume.shape[: volume.ndim - axes + axis], volume.shape[volume.ndim - axes + axis + 1 :]
            rows = volume.shape[volume.ndim - axes + axis]
            flat = volume.reshape(*lead, rows, math.prod(rest))
            extra = matrix.reshape(matrix.shape[:-2] + (1,) * (len(lead) - matrix.ndim + 2) + matrix.shape[-2:])
            volume = (extra @ flat).reshape(*lead, matrix.shape[-2], *rest)
    return volume
