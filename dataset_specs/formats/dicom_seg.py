"""DICOM segmentations (SEG), through highdicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rasd_nnu.dataset_specs.formats.guard import MAX_BYTES, check_claim, reading
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.dataset_specs.libraries import require
from rasd_nnu.errors import DatasetError

LIBRARY_ERRORS = (RuntimeError, AttributeError, KeyError, TypeError, IndexError)
FIX = "If its segments overlap, export each as a label map of its own; else get it again from the official site."


def read(path: Path, *, max_bytes: int = MAX_BYTES) -> Picture:
    """Read a segmentation as one label map; each voxel holds the number of its segment.

    Args:
        path: File.
        max_bytes: Largest label map that is read.

    Raises:
        DatasetError: The file is damaged, no segmentation, or its segments overlap or lie on no regular grid.
        SetupError: highdicom is not installed.
    """
    segmentation = _open(path)
    frames = int(segmentation.NumberOfFrames)
    check_claim(path, (frames, segmentation.Rows, segmentation.Columns), 1, max_bytes=max_bytes)
    with reading(path, *LIBRARY_ERRORS, fix=FIX):
        volume = segmentation.get_volume(combine_segments=True, skip_overlap_checks=False)
        array = np.asarray(volume.array)
    # highdicom's axes are slice, row, column; SimpleITK's are x, y, z.
    affine = np.asarray(volume.affine)[:, [2, 1, 0, 3]]
    if np.linalg.det(affine[:3, :3]) < 0:  # slices against the normal of the plane; a series has them along it
        array, affine = array[::-1], affine @ _reversed_z(len(array))
    return Picture(array[None], Geometry.from_affine(affine, path), path)


def _reversed_z(count: int) -> np.ndarray:
    """Return the matrix from indices (x, y, z) of a volume to those of the volume with its slices reversed."""
    turn = np.diag([1.0, 1.0, -1.0, 1.0])
    turn[2, 3] = count - 1
    return turn


def _open(path: Path) -> Any:
    pydicom: Any = require("pydicom", "DICOM")
    highdicom: Any = require("highdicom", "a DICOM segmentation")
    with reading(path, pydicom.errors.InvalidDicomError, *LIBRARY_ERRORS):
        data = pydicom.dcmread(path)
        if data.get("Modality") != "SEG":
            raise DatasetError(
                f"{path} is no DICOM segmentation (modality {data.get('Modality')!r}, expected 'SEG'). "
                "Is it an image of the series?"
            )
        return highdicom.seg.Segmentation.from_dataset(data, copy=False)
