"""The unit of analysis: one difference a patient, however many cases the patient has."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

# Differences of scores are rounded to this many decimals: floating-point noise otherwise breaks ties and zeros,
# and every rank-based or enumerated p-value with them.
DECIMALS = 10


def unit_means(values: npt.ArrayLike, groups: Sequence[Hashable] | None = None) -> npt.NDArray[np.float64]:
    """Average the values of each group, so that cases of one patient are not counted as independent.

    Args:
        values: One value a case, shape (n,).
        groups: The group (patient) of each case, or None when every case is a group of its own.

    Returns:
        One value a group, shape (number of groups,), in order of first appearance, rounded to `DECIMALS`.

    Raises:
        ValueError: If the values are not one finite number a case, or the lengths differ.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"values must be a non-empty vector, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("values must be finite, got NaN or infinity: decide on a NaN rule first")
    if groups is not None:
        if len(groups) != array.size:
            raise ValueError(f"groups must name one group a value, got {len(groups)} for {array.size}")
        members: dict[Hashable, list[float]] = {}
        for group, value in zip(groups, array, strict=True):
            members.setdefault(group, []).append(float(value))
        array = np.array([np.mean(v) for v in members.values()])
    return np.round(array, DECIMALS)
