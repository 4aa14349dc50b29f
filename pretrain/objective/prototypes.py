"""Prototype disentangling learning (equations 5-7 of the RaSD paper)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rasd_nnu.errors import ConfigError, did_you_mean
from rasd_nnu.pretrain.objective.chunks import accumulation_dtype
from rasd_nnu.pretrain.objective.clustering import absent_offset, similarities
from rasd_nnu.pretrain.objective.disentangling import Disentangling, prototypes_from
from rasd_nnu.pretrain.objective.plain import plain_disentangling
from rasd_nnu.pretrain.objective.region_sums import region_sums

REDUCTIONS = ("mean", "paper_sum")
#: Two ways to the same numbers: ``fast`` needs little memory, ``plain`` can be held against the equations.
IMPLEMENTATIONS = {"fast": Disentangling.apply, "plain": plain_disentangling}


class Terms(NamedTuple):
    """What an objective returns, all scalars of at least float32.

    Attributes:
        total: The loss to minimise, separation + clustering.
        separation: Prototype separation, equation 6.
        clustering: Prototype clustering, equation 7.
        accuracy: Share of voxels whose most similar prototype is their own; no gradient.
    """

    total: Tensor
    separation: Tensor
    clustering: Tensor
    accuracy: Tensor


class PrototypeDisentangling(nn.Module):
    """Pull features to the mean of their region and push the means of regions apart.

    A prototype is the mean feature of a region within one sample (equation 5). Similarity is the dot product
    over ``temperature``, as printed.

    Deviation: the mean over present classes (equation 6) and over voxels (equation 7) replaces the printed sums,
    so that neither patch size nor number of classes shifts the balance; ``reduction="paper_sum"`` gives the sums.
    Deviation: classes without a voxel have no prototype and are left out (the paper divides by zero).

    Args:
        temperature: tau, 0.07 in the paper.
        reduction: ``mean``, or ``paper_sum``: sums over the classes and voxels of a sample, mean over samples.
        normalize: Put features and prototypes on the unit sphere (usual for InfoNCE; not in the paper).
        implementation: ``fast``, or ``plain``: the same numbers up to rounding, in eager PyTorch.

    Example:
        >>> features = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])  # two voxels, orthogonal features
        >>> terms = PrototypeDisentangling(temperature=1.0)(features, torch.tensor([[0, 1]]), num_classes=2)
        >>> round(terms.separation.item(), 4), round(terms.clustering.item(), 4), terms.accuracy.item()
        (0.3133, 0.3133, 1.0)
    """

    def __init__(
        self,
        temperature: float = 0.07,
        reduction: str = "mean",
        normalize: bool = False,
        implementation: str = "fast",
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ConfigError(f"temperature must be above 0, got {temperature}. The paper's is 0.07.")
        for what, value, known in (
            ("reduction", reduction, REDUCTIONS),
            ("implementation", implementation, IMPLEMENTATIONS),
        ):
            if value not in known:
                raise ConfigError(
                    f"unknown {what} {value!r}, expected one of {', '.join(known)}.{did_you_mean(value, known)}"
                )
        self.temperature = temperature
        self.reduction = reduction
        self.normalize = normalize
        self.implementation = implementation

    def forward(self, features: Tensor, label: Tensor, num_classes: int) -> Terms:
        """Compute the loss.

        Every term is a mean over samples, so that the mean over processes equals the joint batch.

        Args:
            features: ``(B, F, *S)``, any floating type; computed in float32 at least, also under autocast.
            label: ``(B, *S)`` int64 in ``0 .. num_classes - 1``.
            num_classes: Number of classes I that may occur.

        Raises:
            ValueError: If the shapes or the type of the label do not agree.
        """
        _check(features, label)
        with torch.autocast(features.device.type, enabled=False):
            separation, nll, correct, classes = IMPLEMENTATIONS[self.implementation](
                features.flatten(2), label.flatten(1), num_classes, self.temperature, self.normalize
            )
            voxels = label[0].numel()
            if self.reduction == "mean":
                separation, nll = separation / classes, nll / voxels
            separation, clustering = separation.mean(), nll.mean()
        return Terms(separation + clustering, separation, clustering, correct.mean() / voxels)

    def nearest(self, features: Tensor, label: Tensor, num_classes: int) -> Tensor:
        """Return the class ``(B, *S)`` of the most similar prototype of each voxel, to look at."""
        flat, regions = features.flatten(2).to(accumulation_dtype(features)), label.flatten(1)
        with torch.autocast(features.device.type, enabled=False):
            sums, counts, _ = region_sums(flat, regions, num_classes, self.normalize)
            prototypes = prototypes_from(sums, counts, self.normalize)
            # The length of a feature does not change which prototype is the nearest.
            return similarities(flat, prototypes, absent_offset(counts > 0, flat.dtype), None).argmax(1).view_as(label)


def _check(features: Tensor, label: Tensor) -> None:
    """Raise `ValueError` unless ``label`` ``(B, *S)`` int64 fits ``features`` ``(B, F, *S)``."""
    expected = (features.shape[0], *features.shape[2:])
    if tuple(label.shape) != expected or label.dtype != torch.int64:
        raise ValueError(
            f"label must be int64 of shape {expected} for features of shape {tuple(features.shape)}, "
            f"got {label.dtype} of shape {tuple(label.shape)}"
        )
