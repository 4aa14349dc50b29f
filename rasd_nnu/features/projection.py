"""Principal components of features, the same for all images, as volumes and as colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rasd_nnu.features.images import FloatArray

#: Shares of voxels that are shown as darkest and as brightest.
_DARK, _BRIGHT = 0.02, 0.98


@dataclass(frozen=True)
class Projection:
    """A linear map from features to their main directions.

    Args:
        mean: ``(F,)``.
        directions: ``(K, F)``.
        explained: Share of the variance along each direction.
    """

    mean: Tensor
    directions: Tensor
    explained: tuple[float, ...]

    def of(self, features: Tensor) -> Tensor:
        """Return the components ``(K, *S)`` of features ``(F, *S)``."""
        centred = features.flatten(1) - self.mean[:, None]
        return (self.directions @ centred).unflatten(1, features.shape[1:])


def fit_projection(values: FloatArray, components: int) -> Projection:
    """Fit principal components to feature vectors ``(N, F)``; signs are fixed, so that pictures repeat."""
    from sklearn.decomposition import PCA

    fitted = PCA(min(components, *values.shape), svd_solver="full").fit(values)
    directions = torch.from_numpy(np.asarray(fitted.components_, np.float32))
    return Projection(
        torch.from_numpy(np.asarray(fitted.mean_, np.float32)),
        directions,
        tuple(map(float, fitted.explained_variance_ratio_)),
    )


def colours(components: FloatArray) -> Any:
    """Return the first three components ``(K, Y, X)`` as colours ``(Y, X, 3)`` from 0 to 1; gray if there are fewer."""
    shown = components[:3] if len(components) >= 3 else np.repeat(components[:1], 3, axis=0)
    low, high = (np.quantile(shown, q, axis=(1, 2), keepdims=True) for q in (_DARK, _BRIGHT))
    return np.clip((shown - low) / np.maximum(high - low, 1e-8), 0, 1).transpose(1, 2, 0)
