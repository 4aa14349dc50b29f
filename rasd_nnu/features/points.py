"""What of the dense features goes into plots and numbers: voxels, regions and whole images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from rasd_nnu.features.images import FloatArray

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Points:
    """Feature vectors of one kind.

    Args:
        kind: ``voxels`` (some of each label and case), ``regions`` (the mean of each label in each case) or ``cases``
            (the mean of each image).
        values: ``(N, F)``.
        classes: Label or class of each, ``(N,)``.
        groups: Case of each, ``(N,)``.
    """

    kind: str
    values: FloatArray
    classes: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]


def voxel_points(
    features: Tensor, labels: IntArray, count: int, generator: np.random.Generator
) -> tuple[FloatArray, IntArray]:
    """Draw voxels of each label.

    Args:
        features: ``(F, *S)``.
        labels: ``(*S)``; what is below 0 lies outside of the image.
        count: Voxels of each label, or all where there are fewer.
        generator: Draws them.

    Returns:
        Features ``(N, F)`` and labels ``(N,)``.
    """
    flat, drawn = features.flatten(1).numpy(), []
    for label in np.unique(labels[labels >= 0]):
        places = np.flatnonzero(labels == label)
        drawn.append(generator.choice(places, min(count, len(places)), replace=False))
    chosen = np.concatenate(drawn) if drawn else np.empty(0, np.int64)
    return flat[:, chosen].T.astype(np.float32), labels.ravel()[chosen]


def region_points(features: Tensor, labels: IntArray) -> tuple[FloatArray, IntArray]:
    """Return the mean feature ``(L, F)`` of each of the L labels that are there, and the labels."""
    flat, values = features.flatten(1).numpy(), np.unique(labels[labels >= 0])
    means = [flat[:, labels.ravel() == value].mean(1) for value in values]
    return np.stack(means).astype(np.float32), values


def collect(
    kind: str,
    found: Sequence[tuple[str, FloatArray, Sequence[int] | Sequence[str] | IntArray]],
    names: Mapping[str, str],
) -> Points:
    """Join the points of all cases.

    Args:
        kind: What they are.
        found: Case, features ``(N, F)`` and class of each.
        names: Class -> name to show; a class that is not there is shown as it is.
    """
    classes = [names.get(str(value), str(value)) for _, _, values in found for value in values]
    groups = [case for case, features, _ in found for _ in features]
    return Points(kind, np.concatenate([features for _, features, _ in found]), np.array(classes), np.array(groups))
