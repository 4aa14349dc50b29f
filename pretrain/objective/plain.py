"""Equations 5 to 7 as they are read: the reference that the fast form is tested against.

It keeps similarities of all voxels to all prototypes in memory, which the fast form (`disentangling`) does not.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rasd_nnu.pretrain.objective.chunks import accumulation_dtype


def plain_disentangling(
    features: Tensor, label: Tensor, num_classes: int, temperature: float, normalize: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return separation, clustering, voxels nearest to their own prototype, and classes present, each ``(B,)``.

    Args:
        features: f, ``(B, F, N)``.
        label: y, ``(B, N)`` int64.
        num_classes: I.
        temperature: tau.
        normalize: Compare on the unit sphere.
    """
    f = features.to(accumulation_dtype(features)).transpose(1, 2)  # (B, N, F)
    if normalize:
        f = functional.normalize(f, dim=2)
    member = functional.one_hot(label, num_classes).to(f.dtype)  # (B, N, I)
    count = member.sum(1)  # (B, I)
    prototypes = member.mT @ f / count.clamp(min=1)[:, :, None]  # P_i, (B, I, F): equation 5
    if normalize:
        prototypes = functional.normalize(prototypes, dim=2)
    absent = torch.zeros_like(count).masked_fill(count == 0, -torch.inf)[:, None]  # in no sum over j

    to_prototypes = prototypes @ prototypes.mT / temperature + absent  # P_i P_j / tau, (B, I, I)
    own = to_prototypes.log_softmax(2).diagonal(dim1=1, dim2=2)
    separation = torch.where(count > 0, -own, 0).sum(1)  # equation 6, summed over i

    to_voxels = f @ prototypes.mT / temperature + absent  # f P_j / tau, (B, N, I)
    clustering = functional.cross_entropy(to_voxels.mT, label, reduction="none").sum(1)  # equation 7, over voxels
    nearest = to_voxels.gather(2, label[:, :, None])[:, :, 0] >= to_voxels.amax(2)
    return separation, clustering, nearest.to(f.dtype).sum(1), (count > 0).sum(1)
