"""nnU-Net's normalisation schemes, so that pre-training sees what fine-tuning will see."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from rasd_nnu.pretrain.synthesis.filters import EPSILON, minmax

#: The normalisation schemes of nnU-Net that `normalise` imitates.
SCHEMES = (
    "ZScoreNormalization",
    "CTNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
    "RGBTo01Normalization",
)


def not_imitated(schemes: Sequence[str]) -> tuple[str, ...]:
    """Return those normalisation schemes that `normalise` does not know, and replaces by a z-score."""
    return tuple(dict.fromkeys(scheme for scheme in schemes if scheme not in SCHEMES))


def normalise(image: torch.Tensor, scheme: str) -> torch.Tensor:
    """Normalise one channel as nnU-Net would, in place.

    Args:
        image: ``(*S)``.
        scheme: nnU-Net's normalisation scheme. ``CTNormalization`` clips to the 0.5 and 99.5 percentiles of a whole
            data set; here those of the sample stand in for them. Schemes that rescale to 0..1 do; an unknown scheme,
            which cannot be imitated, gets a z-score, nnU-Net's own choice for channels that it does not know.
    """
    if scheme == "NoNormalization":
        return image
    if scheme in ("RescaleTo01Normalization", "RGBTo01Normalization"):
        return minmax(image)
    if scheme == "CTNormalization":
        low, high = _percentiles(image)
        image = image.clamp_(low, high)
    mean, std = _moments(image)
    return image.sub_(mean).div_(max(std, EPSILON))


def _moments(image: torch.Tensor) -> tuple[float, float]:
    """Return mean and standard deviation."""
    values = image.double()
    return float(values.mean()), float(values.std(correction=0))


def _percentiles(image: torch.Tensor) -> tuple[float, float]:
    """Return the 0.5 and 99.5 percentiles, from at most a million voxels."""
    values = image.reshape(-1)
    values = values[:: max(1, values.numel() // 2**20)]
    count = values.numel()
    ordered = values.sort().values
    return float(ordered[int(0.005 * (count - 1))]), float(ordered[int(0.995 * (count - 1))])
