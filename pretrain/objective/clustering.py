"""Prototype clustering (equation 7) in pieces: the (B, I, N) similarities never exist as a whole.

Inside, similarities are in units of ln 2, so that 2**x takes the place of e**x: a CPU computes it several times faster,
and many times where the result underflows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from rasd_nnu.pretrain.objective.chunks import voxel_chunks
from rasd_nnu.pretrain.objective.region_sums import SHORTEST, members


class Clustering(NamedTuple):
    """What one pass over the voxels gives.

    Attributes:
        nll: Negative log-likelihood of each voxel's own prototype, summed ``(B,)``.
        correct: Number of voxels nearest to their own prototype ``(B,)``.
        slope: Gradient of ``nll`` with respect to the prototypes ``(B, I, F)``.
        log_partition: Base-2 logarithm of the softmax's denominator ``(B, N)``, to compute the softmax again.
    """

    nll: Tensor
    correct: Tensor
    slope: Tensor
    log_partition: Tensor


def absent_offset(present: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 0 where a class is present and ``-inf`` where it is absent, so that it takes no part."""
    return torch.zeros(present.shape, dtype=dtype, device=present.device).masked_fill_(~present, -torch.inf)


def similarities(piece: Tensor, scaled_prototypes: Tensor, offset: Tensor, scale: Tensor | None) -> Tensor:
    """Return products ``(B, I, n)`` of prototypes and a piece ``(B, F, n)``; ``-inf`` for absent classes."""
    if scale is None:
        return torch.baddbmm(offset[:, :, None], scaled_prototypes, piece)
    return torch.bmm(scaled_prototypes, piece).mul_(scale[:, None]).add_(offset[:, :, None])


def cluster(
    features: Tensor, prototypes: Tensor, label: Tensor, present: Tensor, temperature: float, scales: Tensor | None
) -> Clustering:
    """Sum ``-log softmax_j(P_j f / tau)`` at the own class over the voxels of each sample.

    Args:
        features: ``(B, F, N)``, any floating type.
        prototypes: ``(B, I, F)``, at least float32.
        label: ``(B, N)`` int64.
        present: ``(B, I)`` bool; absent classes are not among the j.
        temperature: tau.
        scales: What to multiply each feature with ``(B, N)``, or None.
    """
    scaled, offset = prototypes / (temperature * math.log(2)), absent_offset(present, prototypes.dtype)
    nll = scaled.new_zeros(features.shape[0])
    correct, slope = torch.zeros_like(nll), torch.zeros_like(scaled)
    log_partition = scaled.new_empty(label.shape)
    for part in voxel_chunks(features):
        piece, scale = features[:, :, part].to(scaled.dtype), None if scales is None else scales[:, part]
        similarity = similarities(piece, scaled, offset, scale)
        own = similarity.gather(1, label[:, None, part])[:, 0]
        largest = similarity.amax(1)
        correct += (own >= largest).sum(1)
        exponential = similarity.sub_(largest[:, None]).exp2_()
        total = exponential.sum(1)
        log_partition[:, part] = total.log2().add_(largest)
        nll += (log_partition[:, part] - own).sum(1)
        difference = exponential.div_(total[:, None]).sub_(members(label[:, part], scaled.shape[1], scaled.dtype))
        if scale is not None:
            difference *= scale[:, None]
        slope.baddbmm_(difference, piece.transpose(1, 2))
    return Clustering(nll * math.log(2), correct, slope / temperature, log_partition)


def features_gradient(
    features: Tensor,
    prototypes: Tensor,
    label: Tensor,
    present: Tensor,
    temperature: float,
    scales: Tensor | None,
    log_partition: Tensor,
    weight: Tensor,
    sums_gradient: Tensor,
) -> Tensor:
    """Return the gradient ``(B, F, N)`` that reaches the features through `cluster` and through `region_sums`.

    Args:
        features: ``(B, F, N)``, any floating type.
        prototypes: ``(B, I, F)``, at least float32.
        label: ``(B, N)`` int64.
        present: ``(B, I)`` bool.
        temperature: tau.
        scales: What `cluster` multiplied each feature with ``(B, N)``, or None.
        log_partition: From `cluster`.
        weight: Gradient of the loss with respect to `Clustering.nll` ``(B,)``.
        sums_gradient: Gradient of the loss with respect to the region sums ``(B, I, F)``.
    """
    offset = absent_offset(present, prototypes.dtype)
    scaled, in_base_2 = prototypes / temperature, prototypes / (temperature * math.log(2))
    # Both ways are linear in the prototypes or sums: one product of 2 I rows.
    sources = torch.cat([scaled * weight[:, None, None], sums_gradient - scaled * weight[:, None, None]], 1)
    sources = sources.transpose(1, 2)
    result = torch.empty_like(features)
    in_place = result.dtype == scaled.dtype
    for part in voxel_chunks(features):
        piece, scale = features[:, :, part].to(scaled.dtype), None if scales is None else scales[:, part]
        softmax = similarities(piece, in_base_2, offset, scale).sub_(log_partition[:, None, part]).exp2_()
        amounts = torch.cat([softmax, members(label[:, part], scaled.shape[1], scaled.dtype)], 1)
        gradient = torch.bmm(sources, amounts, out=result[:, :, part] if in_place else torch.empty_like(piece))
        if scale is not None:
            # d(f / |f|): without the part along f, which normalising takes away; a feature of no length keeps it.
            along = torch.linalg.vecdot(gradient, piece, dim=1) * scale.square()
            along.masked_fill_(scale >= 1 / SHORTEST, 0.0)
            gradient.addcmul_(piece, along[:, None], value=-1).mul_(scale[:, None])
        if not in_place:
            result[:, :, part] = gradient
    return result
