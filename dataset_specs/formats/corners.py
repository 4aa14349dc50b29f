"""Corners of polygons, as annotation files write them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from rasd_nnu import reading
from rasd_nnu.dataset_specs.formats.guard import FIX
from rasd_nnu.errors import DatasetError


def corners_of(path: Path, corners: Iterable[Any]) -> np.ndarray:
    """Return pairs of x and y, numbers or their text, as an array ``(N, 2)``; N may be 0.

    Raises:
        DatasetError: They are no pairs of finite numbers.
    """
    try:
        points = np.array(list(corners), dtype=float)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{path}: a polygon has corners that are no numbers ({error}). {FIX}") from error
    if points.size and points.shape[1:] != (2,):
        raise DatasetError(f"{path}: a polygon has corners of shape {points.shape}, expected pairs x, y. {FIX}")
    if not np.isfinite(points).all():
        raise DatasetError(f"{path}: a polygon has corners that are NaN or infinite. {FIX}")
    return points.reshape(-1, 2)


def parse_json(path: Path, text: str, what: str) -> Any:
    """Parse JSON.

    Args:
        path: File that holds it.
        text: The JSON.
        what: Which part of the file it is, for the message.

    Raises:
        DatasetError: It is none, or cut off.
    """
    return reading.parse_json(text, f"{path}: {what}", DatasetError, FIX)
