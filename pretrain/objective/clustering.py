"""Prototype clustering (equation 7) in pieces: the (B, I, N) similarities never exist as a whole."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rasd_nnu.pretrain.objective.chunks import accumulation_dtype, voxel_chunks


def _similarities(features: Tensor, scaled_prototypes: Tensor, offset: Tensor) -> Tensor:
    """Return ``P_j f / tau`` ``(B, I, n)`` of a piece; ``-inf`` for absent classes."""
    return torch.baddbmm(offset[:, :, None], scaled_prototypes, features.to(scaled_prototypes.dtype))


def absent_offset(present: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 0 where a class is present and ``-inf`` where it is absent, so that it takes no part."""
    return torch.zeros(present.shape, dtype=dtype, device=present.device).masked_fill_(~present, -torch.inf)


class _Clustering(torch.autograd.Function):
    """Summed negative log-likelihood of each voxel's own prototype; backward recomputes the similarities."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, prototypes: Tensor, label: Tensor, present: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(features, prototypes, label, present)
        ctx.temperature = temperature
        scaled = prototypes / temperature
        offset = absent_offset(present, scaled.dtype)
        loss = scaled.new_zeros(features.shape[0])
        correct = torch.zeros_like(loss)
        for part in voxel_chunks(features):
            similarity = _similarities(features[:, :, part], scaled, offset)
            own = similarity.gather(1, label[:, None, part])[:, 0]
            loss += (similarity.logsumexp(1) - own).sum(1)
            correct += (own >= similarity.amax(1)).sum(1)
        ctx.mark_non_differentiable(correct)
        return loss, correct

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        features, prototypes, label, present = ctx.saved_tensors
        scaled = prototypes / ctx.temperature
        offset = absent_offset(present, scaled.dtype)
        weight = gradients[0][:, None, None]
        grad_features = torch.empty_like(features)
        grad_prototypes = torch.zeros_like(prototypes)
        for part in voxel_chunks(features):
            piece = features[:, :, part].to(scaled.dtype)
            index = label[:, None, part]
            slope = _similarities(piece, scaled, offset).softmax(1)
            slope.scatter_add_(1, index, slope.new_full((1, 1, 1), -1.0).expand(index.shape)).mul_(weight)
            grad_features[:, :, part] = torch.bmm(scaled.transpose(1, 2), slope)
            grad_prototypes.baddbmm_(slope, piece.transpose(1, 2))
        return grad_features, grad_prototypes / ctx.temperature, None, None, None


def clustering_nll(
    features: Tensor, prototypes: Tensor, label: Tensor, present: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Sum ``-log softmax_j(P_j f / tau)`` at the own class over the voxels of each sample.

    Args:
        features: ``(B, F, N)``, any floating type.
        prototypes: ``(B, I, F)``, of `accumulation_dtype`.
        label: ``(B, N)`` int64.
        present: ``(B, I)`` bool; absent classes are not among the j.
        temperature: tau.

    Returns:
        The sum ``(B,)``, and the number of voxels nearest to their own prototype ``(B,)`` (no gradient).
    """
    assert prototypes.dtype == accumulation_dtype(features)
    loss, correct = _Clustering.apply(features, prototypes, label, present, temperature)
    return loss, correct
