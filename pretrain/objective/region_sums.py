"""Sum of the features of each region, without one-hot volumes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rasd_nnu.pretrain.objective.chunks import accumulation_dtype, voxel_chunks


class _RegionSums(torch.autograd.Function):
    """Numerator of equation 5. A matrix product a piece: `index_add_` on few classes serialises on a GPU."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, label: Tensor, num_classes: int) -> Tensor:
        ctx.save_for_backward(label)
        ctx.features_dtype = features.dtype
        dtype = accumulation_dtype(features)
        classes = torch.arange(num_classes, device=label.device)
        sums = features.new_zeros((features.shape[0], features.shape[1], num_classes), dtype=dtype)
        for part in voxel_chunks(features):
            members = (label[:, part, None] == classes).to(dtype)
            sums.baddbmm_(features[:, :, part].to(dtype), members)
        return sums.transpose(1, 2).contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (label,) = ctx.saved_tensors
        source = gradients[0].transpose(1, 2).to(ctx.features_dtype)
        result = source.new_empty((*source.shape[:2], label.shape[1]))
        for part in voxel_chunks(result):
            index = label[:, None, part].expand(-1, source.shape[1], -1)
            result[:, :, part] = source.gather(2, index)
        return result, None, None


def region_sums(features: Tensor, label: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Sum the features and count the voxels of each region of each sample.

    Args:
        features: ``(B, F, N)``, any floating type.
        label: ``(B, N)`` int64 in ``0 .. num_classes - 1``.
        num_classes: Number of classes I.

    Returns:
        Sums ``(B, I, F)`` (at least float32) and counts ``(B, I)`` int64; zero where a class is absent.
    """
    counts = torch.zeros((label.shape[0], num_classes), dtype=torch.int64, device=label.device)
    counts.scatter_add_(1, label, torch.ones_like(label))
    return _RegionSums.apply(features, label, num_classes), counts
