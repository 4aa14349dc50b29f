"""NIfTI-1 and NIfTI-2, plain or with gzip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from isal import igzip, isal_zlib
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from rasd_nnu.dataset_specs.formats.guard import MAX_BYTES, check_claim, is_gzip, reading
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.errors import DatasetError

# NIfTI's world axes are right, anterior, superior; SimpleITK's are left, posterior, superior.
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# The first field, the size of the header (348), in both byte orders.
NIFTI1_STARTS = (b"\x5c\x01\x00\x00", b"\x00\x00\x01\x5c")
BLOCK = 1 << 18  # bytes that are unpacked at a time: they stay in the processor's cache
LIBRARY_ERRORS = (ImageFileError, HeaderDataError, cast("type[Exception]", isal_zlib.error))  # its stub is wrong


def read(path: Path, *, max_bytes: int = MAX_BYTES) -> Picture:
    """Read a NIfTI file; the fourth axis (time or channels) becomes the channels.

    Args:
        path: File; its name may lack the ending.
        max_bytes: Largest picture that is read, unpacked.

    Raises:
        DatasetError: The file is damaged, holds colours or complex numbers, or claims more than it can hold.
    """
    with reading(path, *LIBRARY_ERRORS), _opened(path) as image:
        dtype = _real_type(path, image)
        shape = _spatial_shape(path, image.shape)
        check_claim(path, shape, dtype.itemsize, *_stored(path, image), max_bytes=max_bytes)
        voxels = _voxels(image).reshape(shape)
    return Picture(voxels.T, Geometry.from_affine(RAS_TO_LPS @ image.affine, path), path)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file by its content, so that one without an ending is read too; voxels stay on the disk.

    ISA-L unpacks gzip, with its checksum, in about half of zlib's time.
    """
    packed = is_gzip(path)
    if path.name.endswith(".nii") or (path.name.endswith(".nii.gz") and not packed):
        yield nib.load(path)
        return
    with path.open("rb") as plain, igzip.open(plain) if packed else plain as stream:
        start = stream.read(4)
        stream.seek(0)
        yield (nib.Nifti1Image if start in NIFTI1_STARTS else nib.Nifti2Image).from_stream(stream)


def _real_type(path: Path, image: Any) -> np.dtype:
    dtype = np.dtype(image.get_data_dtype())
    if dtype.fields is None and dtype.kind in "iufb":
        return dtype
    what = "colours (RGB)" if dtype.fields is not None else f"complex numbers ({dtype})"
    raise DatasetError(
        f"{path} holds {what}, expected one real number a voxel. "
        "Save each channel, or the magnitude, as a NIfTI file of its own."
    )


def _voxels(image: Any) -> np.ndarray:
    """Return the voxels as stored, or in float32 where the header scales them or they are floating-point."""
    proxy = image.dataobj
    if (proxy.slope, proxy.inter) != (1, 0):
        voxels = np.asanyarray(proxy, dtype=np.float32)
    elif isinstance(proxy.file_like, igzip.IGzipFile):
        voxels = _unpacked(proxy)
    else:
        voxels = proxy.get_unscaled()
    return voxels.astype(np.float32, copy=False) if voxels.dtype.kind == "f" else np.asarray(voxels)


def _unpacked(proxy: Any) -> np.ndarray:
    """Return the voxels of a packed file, block by block: nibabel unpacks all of it into memory first, then copies."""
    stream, voxels = proxy.file_like, np.empty(proxy.shape, proxy.dtype, order="F")
    stream.seek(proxy.offset)
    content, at = voxels.reshape(-1, order="F").view(np.uint8), 0
    while at < len(content):
        block = stream.read(min(BLOCK, len(content) - at))
        if not block:
            raise EOFError(f"it ends after {at} of {len(content)} bytes of voxels")
        content[at : at + len(block)] = np.frombuffer(block, np.uint8)
        at += len(block)
    stream.read(1)  # the end of the packed stream, where its checksum is compared
    return voxels


def _spatial_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return x, y, z, channels; a fifth axis is allowed for vectors, whose fourth axis has one entry."""
    if len(shape) == 5 and shape[3] == 1:
        shape = (*shape[:3], shape[4])
    if not 2 <= len(shape) <= 4:
        raise DatasetError(f"{path} has the shape {shape}; expected x, y[, z[, channel or time]].")
    x, y, z, channels = (*shape, 1, 1)[:4]
    return x, y, z, channels


def _stored(path: Path, image: Any) -> tuple[int, bool]:
    """Return how many bytes hold the voxels, and whether they are packed."""
    size = path.stat().st_size
    return (size, True) if is_gzip(path) else (max(0, size - int(image.dataobj.offset)), False)
