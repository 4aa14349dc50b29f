from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

# z, y, x
SHAPE = (4, 5, 6)


@pytest.fixture
def voxels() -> np.ndarray:
    """Every voxel has another value, so that no axis can be mistaken; shape (z, y, x)."""
    return np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)


@pytest.fixture
def nifti(tmp_path: Path) -> Callable[..., Path]:
    """Write a NIfTI file from an array (z, y, x) and an affine in nibabel's convention (RAS)."""

    def write(name: str, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
        nib.save(nib.Nifti1Image(array.T, np.eye(4) if affine is None else affine), tmp_path / name)
        return tmp_path / name

    return write
