"""The tensors of a checkpoint, checked before anything is computed with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from rasd_nnu.errors import CheckpointError

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_weights(path: Path, weights: Mapping[str, torch.Tensor]) -> None:
    """Check that weights are ordinary tensors of finite values.

    Integers are allowed: counters and indices are among the weights.

    Raises:
        CheckpointError: If a tensor is sparse, quantised, complex or without values, claims more values than are
            stored, or has one that is not finite in single precision.
    """
    for name, value in weights.items():
        if problem := _problem(value):
            raise CheckpointError(
                f"{path} holds {problem}, first in {str(name)[:100]!r}; expected finite weights, as floating-point "
                "numbers. Pre-train again, with a lower rate if it diverged, or ask who made it for another file."
            )


def _problem(value: torch.Tensor) -> str | None:
    if value.layout is not torch.strided or value.is_quantized or value.is_meta:
        return f"a tensor without ordinary values ({'meta' if value.is_meta else value.layout})"
    if value.is_complex() or (value.is_floating_point() and value.dtype not in _FLOATS):
        return f"values of the type {value.dtype}"
    if value.untyped_storage().nbytes() < value.numel() * value.element_size():
        return "a tensor with fewer values than its shape has"
    if value.is_floating_point() and not value.float().isfinite().all():
        return "values that are not finite"
    return None
