"""NPY files, one array of numbers, and the members of NPZ files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from rasd_nnu.dataset_specs.formats.guard import MAX_BYTES, check_claim, reading
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.errors import DatasetError

# What numpy and zipfile raise over a damaged or encrypted archive, besides the usual errors of a damaged file.
NPZ_ERRORS = (zipfile.BadZipFile, RuntimeError)


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


def check_member(path: Path, pack: zipfile.ZipFile, name: str, max_bytes: int = MAX_BYTES) -> None:
    """Compare what an array of an NPZ file claims with what is stored, before it is unpacked.

    Args:
        path: The NPZ file, for messages.
        pack: It, open.
        name: Name of the array.
        max_bytes: Largest array that is unpacked.

    Raises:
        DatasetError: The array holds objects, claims more than is stored, or is too large.
    """
    member = f"{name}.npy"
    with reading(path, *NPZ_ERRORS), pack.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        raise DatasetError(f"{path}: the array {name!r} holds Python objects, which could run code and are not read.")
    check_claim(path, shape or (1,), dtype.itemsize, pack.getinfo(member).file_size, max_bytes=max_bytes)
