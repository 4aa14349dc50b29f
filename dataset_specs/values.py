"""Values of label maps: which are foreign, and how they are named in messages."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

SHOWN = 5


def foreign_values(labels: np.ndarray, known: Collection[int]) -> list[float]:
    """Return the values of a label map that are not among the known ones, sorted.

    It looks at the range of whole numbers first, then goes slice by slice with a table of 256 entries, because sorting
    a whole volume takes many times the memory and time.

    Args:
        labels: ``(Z, Y, X)`` of any type; NaN is a value like others.
        known: Values from 0 to 255.

    Example:
        >>> foreign_values(np.array([[[0, 1, 7, -1]]]), {0, 1})
        [-1, 7]
        >>> foreign_values(np.array([[[0, 2, 1, 1]]]), {0, 2})
        [1]
    """
    consecutive = set(known) == set(range(len(known)))
    if consecutive and labels.dtype.kind in "iu" and labels.min() >= 0 and labels.max() < len(known):
        return []
    table = np.zeros(256, dtype=bool)
    table[list(known)] = True
    found: set[float] = set()
    for plane in labels:
        with np.errstate(invalid="ignore"):  # NaN: it differs from whatever it becomes
            small = plane.astype(np.uint8, copy=False)
        if not table.take(small).all() or not (small is plane or np.array_equal(small, plane)):
            found.update(np.unique(plane).tolist())
    return sorted(found - set(known))


def listed(values: Sequence[float], shown: int = SHOWN) -> str:
    """Write the first few values, and how many more there are.

    Example:
        >>> listed([1.0, 2.5, 3, 4, 5, 6])
        '1, 2.5, 3, 4, 5 and 1 more'
    """
    more = f" and {len(values) - shown} more" if len(values) > shown else ""
    return ", ".join(f"{value:.10g}" for value in values[:shown]) + more
