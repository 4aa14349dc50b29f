"""Filters that several effects share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

#: Below this a range or a deviation counts as none.
EPSILON = 1e-8


def gaussian_blur(image: torch.Tensor, sigmas: Sequence[float]) -> torch.Tensor:
    """Blur with a Gaussian cut off at three standard deviations; at the border, what lies outside has no weight.

    Args:
        image: ``(*S)``.
        sigmas: Standard deviation in voxels, an axis; 0 leaves the axis as it is.
    """
    for axis, sigma in enumerate(sigmas):
        n = image.shape[axis]
        radius = min(math.ceil(3 * sigma), n - 1)
        weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(1, radius + 1)] if sigma > 0 else []
        if not weights:
            continue
        # Sum of the weights that lie within the image, by how far the border is on either side.
        reach = np.minimum(np.arange(n), radius)
        within = np.cumsum([1.0, *weights])[reach]
        total = torch.from_numpy((within + within[::-1] - 1).astype(np.float32)).to(image.device)
        blurred = image.clone()
        for k, weight in enumerate(weights, start=1):
            blurred.narrow(axis, 0, n - k).add_(image.narrow(axis, k, n - k), alpha=weight)
            blurred.narrow(axis, k, n - k).add_(image.narrow(axis, 0, n - k), alpha=weight)
        image = blurred.div_(total.reshape(-1, *[1] * (image.ndim - axis - 1)))
    return image


def minmax(image: torch.Tensor) -> torch.Tensor:
    """Rescale to 0..1, in place."""
    low, high = torch.aminmax(image)
    return image.sub_(low).div_((high - low).clamp_(min=EPSILON))
