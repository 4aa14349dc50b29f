"""Turn running out of memory into advice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from rasd_nnu.errors import ConfigError
from rasd_nnu.pretrain.recipe import Recipe


@contextlib.contextmanager
def memory_advice(recipe: Recipe, processes: int) -> Iterator[None]:
    """Turn running out of memory into advice.

    Raises:
        ConfigError: Instead of the out-of-memory error.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        advice = []
        each = recipe.batch_size // processes
        if each > recipe.accumulate:
            parts = next(n for n in range(recipe.accumulate + 1, each + 1) if each % n == 0)
            advice.append(f"--accumulate {parts} (same batch in {parts} parts)")
        if each > 1:
            advice.append(f"--batch-size {recipe.batch_size // 2}")
        if recipe.precision == "fp32":
            advice.append("--precision bf16")
        advice.append("a smaller patch")
        raise ConfigError(
            f"{each // recipe.accumulate} sample(s) at a time do not fit into memory. Try {', or '.join(advice)}."
        ) from error
