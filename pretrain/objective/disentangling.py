"""Both terms of the objective as one differentiable operation that reads the features three times."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rasd_nnu.pretrain.objective.clustering import absent_offset, cluster, features_gradient
from rasd_nnu.pretrain.objective.region_sums import region_sums


def prototypes_from(sums: Tensor, counts: Tensor, normalize: bool) -> Tensor:
    """Return prototypes ``(B, I, F)``, equation 5; zero where a class is absent."""
    prototypes = sums / counts.clamp(min=1)[:, :, None]
    return nn.functional.normalize(prototypes, dim=2) if normalize else prototypes


def separate(prototypes: Tensor, present: Tensor, temperature: float) -> Tensor:
    """Return equation 6 ``(B,)``: each prototype against all present ones of its sample, summed over classes."""
    similarity = torch.bmm(prototypes, prototypes.transpose(1, 2)) / temperature
    similarity = similarity + absent_offset(present, similarity.dtype)[:, None, :]
    own = similarity.diagonal(dim1=1, dim2=2)
    # `where` before the subtraction: an absent class's own similarity is -inf.
    each = similarity.logsumexp(2) - torch.where(present, own, 0.0)
    return torch.where(present, each, 0.0).sum(1)


class Disentangling(torch.autograd.Function):
    """Features ``(B, F, N)``, label ``(B, N)`` -> four numbers a sample, each ``(B,)``.

    They are the separation, summed over the classes; the clustering, summed over the voxels; how many voxels are
    nearest to their own prototype; and how many classes are present.

    What happens to the prototypes is left to autograd; what happens to the voxels is written out, so that the
    gradient of the features is made once, from the features and one number a voxel (two, to normalise).
    """

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, label: Tensor, num_classes: int, temperature: float, normalize: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Read the features twice: for the sums of the regions, and against the prototypes."""
        sums, counts, scales = region_sums(features, label, num_classes, normalize)
        present = counts > 0
        with torch.enable_grad():
            sums.requires_grad_()
            prototypes = prototypes_from(sums, counts, normalize)
            separation = separate(prototypes, present, temperature)
        found = cluster(features, prototypes.detach(), label, present, temperature, scales)
        ctx.save_for_backward(features, label, present, scales, found.log_partition)
        ctx.small = sums, prototypes, separation, found.slope
        ctx.temperature = temperature
        classes = present.sum(1)
        ctx.mark_non_differentiable(found.correct, classes)
        return separation.detach(), found.nll, found.correct, classes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        """Read the features once more and write their gradient."""
        features, label, present, scales, log_partition = ctx.saved_tensors
        sums, prototypes, separation, slope = ctx.small
        separation_weight, nll_weight = gradients[0], gradients[1]
        (sums_gradient,) = torch.autograd.grad(
            (separation, prototypes),
            sums,
            (separation_weight, slope * nll_weight[:, None, None]),
            retain_graph=True,
        )
        gradient = features_gradient(
            features,
            prototypes.detach(),
            label,
            present,
            ctx.temperature,
            scales,
            log_partition,
            nll_weight,
            sums_gradient,
        )
        return gradient, None, None, None, None
