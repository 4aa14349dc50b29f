"""nnU-Net's augmentation, made independent of how busy the machine is."""

from __future__ import annotations

from typing import Any


def without_clock(transforms: Any) -> Any:
    """Let nnU-Net's blur take one algorithm, instead of the one that is faster at the moment; return the transforms.

    The two differ in the last bits, so that the weights would depend on how busy the machine is.

    Args:
        transforms: A ``ComposeTransforms`` of batchgeneratorsv2; it is changed in place.
    """
    for transform in transforms.transforms:
        inner = getattr(transform, "transform", transform)
        if hasattr(inner, "benchmark"):
            inner.benchmark = False
    return transforms
