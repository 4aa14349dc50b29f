"""Sum of the features of each region, without one-hot volumes."""

from __future__ import annotations

import torch
from torch import Tensor

from rasd_nnu.pretrain.objective.chunks import accumulation_dtype, voxel_chunks

#: Features shorter than this count as being this long, as in `torch.nn.functional.normalize`.
SHORTEST = 1e-12


def members(label: Tensor, num_classes: int, dtype: torch.dtype) -> Tensor:
    """Return 1 where a voxel ``(B, n)`` belongs to a class ``(B, I, n)``, else 0."""
    return (label[:, None] == torch.arange(num_classes, device=label.device)[:, None]).to(dtype)


def inverse_lengths(piece: Tensor) -> Tensor:
    """Return one over the length ``(B, n)`` of features ``(B, F, n)``."""
    # Many times faster than a norm along an axis that is not the last one.
    return torch.linalg.vecdot(piece, piece, dim=1).sqrt_().clamp_(min=SHORTEST).reciprocal_()


def region_sums(
    features: Tensor, label: Tensor, num_classes: int, normalize: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Sum the features and count the voxels of each region of each sample (numerator of equation 5).

    A matrix product a piece: `index_add_` on few classes serialises on a GPU.

    Args:
        features: ``(B, F, N)``, any floating type.
        label: ``(B, N)`` int64 in ``0 .. num_classes - 1``.
        num_classes: Number of classes I.
        normalize: Sum features of unit length.

    Returns:
        Sums ``(B, I, F)`` (at least float32) and counts ``(B, I)`` int64, zero where a class is absent; and, to
        normalise, one over the length of each feature ``(B, N)``.
    """
    dtype = accumulation_dtype(features)
    sums = features.new_zeros((features.shape[0], num_classes, features.shape[1]), dtype=dtype)
    counts = torch.zeros((features.shape[0], num_classes), dtype=torch.int64, device=label.device)
    scales = features.new_empty(label.shape, dtype=dtype) if normalize else None
    for part in voxel_chunks(features):
        piece = features[:, :, part].to(dtype)
        weights = members(label[:, part], num_classes, dtype)
        counts += weights.sum(2).long()
        if scales is not None:
            scales[:, part] = inverse_lengths(piece)
            weights *= scales[:, None, part]
        sums.baddbmm_(weights, piece.transpose(1, 2))
    return sums, counts, scales
