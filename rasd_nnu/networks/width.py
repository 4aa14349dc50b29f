"""The one rule for the width of nnU-Net's U-Nets: features double from stage to stage, up to a limit."""

from __future__ import annotations

import copy
from typing import Any

#: nnU-Net's limits for its own width of 32.
LIMITS = {2: 512, 3: 320}


def stage_features(stages: int, base: int, limit: int) -> list[int]:
    """Return the features of each stage.

    Example:
        >>> stage_features(5, 32, 320)
        [32, 64, 128, 256, 320]
    """
    return [min(base * 2**stage, limit) for stage in range(stages)]


def narrowed(architecture: dict[str, Any], base: int) -> dict[str, Any]:
    """Return the description of the same U-Net with ``base`` features in its first stage, and 320 at most."""
    changed = copy.deepcopy(architecture)
    kwargs = changed["arch_kwargs"]
    kwargs["features_per_stage"] = stage_features(kwargs["n_stages"], base, LIMITS[3])
    return changed
