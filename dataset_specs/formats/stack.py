"""A folder of pictures that are the slices of one volume."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from rasd_nnu.dataset_specs.formats import natural, tiff
from rasd_nnu.dataset_specs.formats.guard import MAX_BYTES, check_claim
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.errors import DatasetError


def read(path: Path, *, spacing_mm: tuple[float, float, float] | None = None, max_bytes: int = MAX_BYTES) -> Picture:
    """Read all pictures of a folder as one volume, in the order of the numbers in their names.

    Args:
        path: Folder; its hidden files are left out.
        spacing_mm: Size of a voxel along x, y, z, where it is known from elsewhere.
        max_bytes: Largest volume that is read.

    Raises:
        DatasetError: The folder is empty, or a picture is damaged or differs from the first in size, channels or
            type.
    """
    if not path.is_dir():
        raise DatasetError(f"{path} is no folder; a stack is a folder of pictures. Check the source folder.")
    files = sorted((f for f in path.iterdir() if f.is_file() and not f.name.startswith(".")), key=by_numbers)
    if not files:
        raise DatasetError(f"{path} holds no picture; unpack the release again.")
    first = _read_one(files[0], max_bytes)
    check_claim(path, (len(files), *first.array.shape), first.array.itemsize, max_bytes=max_bytes)
    slices = [first.array]
    for file in files[1:]:
        array = _read_one(file, max_bytes).array
        if array.shape != first.array.shape or array.dtype != first.array.dtype:
            raise DatasetError(
                f"{file} is {_described(array)}, but {files[0].name} {_described(first.array)}; all slices of a "
                "volume must agree. Take out what is no slice, or get the release again."
            )
        slices.append(array)
    geometry = Geometry(spacing_mm) if spacing_mm else Geometry()
    return Picture(np.concatenate(slices, axis=1), geometry, path, spacing_known=spacing_mm is not None)


def by_numbers(file: Path) -> list[tuple[int, str]]:
    """Sort key of a file name that compares its numbers as numbers, so that 10 follows 9.

    Example:
        >>> [file.name for file in sorted(map(Path, ["a10.png", "a9.png"]), key=by_numbers)]
        ['a9.png', 'a10.png']
    """
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", file.name) if part]


def _read_one(file: Path, max_bytes: int) -> Picture:
    if file.name.lower().endswith((".tif", ".tiff")):
        return tiff.read(file, max_bytes=max_bytes)
    return natural.read(file, max_bytes=max_bytes)


def _described(array: np.ndarray) -> str:
    channels, _, height, width = array.shape
    return f"{width}x{height} with {channels} channel(s) of {array.dtype}"
