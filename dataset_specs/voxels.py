"""Read NIfTI voxels and map label values."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from rasd_nnu.dataset_specs.schema import LabelMapping
from rasd_nnu.errors import DatasetError


def read_nifti(file: Path) -> tuple[Any, np.ndarray]:
    """Read a NIfTI file completely.

    Returns:
        The nibabel image (header, affine) and its voxels, scaled as the header says, shape ``(X, Y, Z[, C])``.

    Raises:
        DatasetError: The file is missing, damaged or truncated.
    """
    try:
        image: Any = nib.load(file)  # nibabel's types do not know the voxels
        return image, np.asanyarray(image.dataobj)
    except (ImageFileError, OSError, EOFError, ValueError, zlib.error) as error:
        raise DatasetError(f"cannot read {file.name}: {error}") from error


def map_labels(voxels: np.ndarray, mapping: LabelMapping | None) -> np.ndarray:
    """Turn the values of the release into labels; values that no rule names stay as they are.

    Args:
        voxels: Label map of the release, any shape.
        mapping: Rule of the spec; None keeps all values.
    """
    if mapping is None:
        return voxels
    if mapping.above is not None:
        return (voxels > mapping.above).astype(np.uint8)
    mapped = voxels.copy()
    for value, label in (mapping.values or {}).items():
        mapped[voxels == value] = label
    return mapped


def unknown_values(voxels: np.ndarray, allowed: frozenset[int]) -> list[float]:
    """Return the values that are not allowed, in rising order (floating-point labels are compared exactly)."""
    return [float(value) for value in np.unique(voxels) if value not in allowed]
