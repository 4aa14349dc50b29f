"""NPY files: one array of numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rasd_nnu.dataset_specs.formats.guard import MAX_BYTES, check_claim, reading
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.errors import DatasetError


def read(path: Path, *, max_bytes: int = MAX_BYTES) -> Picture:
    """Read an array ``(Y, X)`` or ``(Z, Y, X)`` as one grey picture or volume, without a known spacing.

    Args:
        path: File.
        max_bytes: Largest array that is read.

    Raises:
        DatasetError: The file is damaged, holds objects instead of numbers, or has another number of axes.
    """
    with reading(path, TypeError):
        array = np.load(path, mmap_mode="r", allow_pickle=False)  # refuses a header that claims more than the file has
    if not isinstance(array, np.ndarray) or array.ndim not in (2, 3) or array.dtype.kind not in "iufb":
        held = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else "an archive of arrays"
        raise DatasetError(f"{path} holds {held}; expected numbers (Y, X) or (Z, Y, X). Save each image on its own.")
    check_claim(path, array.shape, array.dtype.itemsize, max_bytes=max_bytes)
    volume = np.array(array)
    return Picture(volume[(None,) * (4 - volume.ndim)], Geometry(), path, spacing_known=False)
