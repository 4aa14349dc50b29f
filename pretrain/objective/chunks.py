"""Work through a volume of features in pieces, so that no copy of the whole volume is ever made."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

# Voxels of all samples together in a piece: few enough for a CPU's cache, enough to be worth a call.
_VOXELS = {"cpu": 2**16, "cuda": 2**19}


def voxel_chunks(features: Tensor) -> Iterator[slice]:
    """Yield slices that together cover the last axis of ``features`` ``(B, F, N)``."""
    samples, _, voxels = features.shape
    step = max(1, _VOXELS.get(features.device.type, 2**19) // samples)
    for start in range(0, voxels, step):
        yield slice(start, start + step)


def accumulation_dtype(features: Tensor) -> torch.dtype:
    """Return float32 for half precision, else the type of ``features``."""
    return torch.promote_types(features.dtype, torch.float32)
