"""What readers give and steps change: a picture with its geometry, outlines, boxes, and the interface of both.

**A reader** is one module ``formats/<format>.py`` with ``read(path: Path) -> Picture``. `path` is a file, or a
folder for formats that spread an image over files (DICOM series, stack of slices). It raises `DatasetError` with the
file's name, what is wrong and the fix, and never gives half an image. ``formats.read_picture(path)`` picks the reader
by the file's ending; a folder is a series. Readers of outlines and boxes have ``read(path) -> list[Outline]`` and
``read(path) -> list[Box]``.

**A step** is one module ``steps/<name>.py`` with a pure function of the same name,
``<name>(picture: Picture, **parameters) -> Picture``; its parameters have the names of the fields of the model with
``do: <name>`` in `schema_steps`. Steps that need both sides are ``<name>(image, label, **parameters) -> (image,
label)``. A step never changes its input.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Picture:
    """Voxels and where they lie.

    Args:
        array: ``(C, Y, X)`` or ``(C, Z, Y, X)``. The first axis holds colours, MR sequences or time frames; a label
            map has C = 1. The type is the file's own, after its scaling.
        spacing: Distance of neighbours in mm along ``([Z,] Y, X)``; None where the file does not know it (PNG).
        origin: Place of the first voxel in mm, ``(x, y[, z])``, LPS as in DICOM and ITK; None where unknown.
        direction: Direction cosines, row by row as in ITK; None where unknown.
    """

    array: np.ndarray
    spacing: tuple[float, ...] | None = None
    origin: tuple[float, ...] | None = None
    direction: tuple[float, ...] | None = None

    @property
    def grid(self) -> tuple[int, ...]:
        """Voxels along ``([Z,] Y, X)``."""
        return tuple(self.array.shape[1:])

    @property
    def channels(self) -> int:
        """Length of the first axis."""
        return int(self.array.shape[0])

    def with_array(self, array: np.ndarray) -> Self:
        """Return the same place with other voxels."""
        return replace(self, array=array)


@dataclass(frozen=True)
class Outline:
    """A closed polygon of an annotation file.

    Args:
        name: Class as the file names it; empty where it names none.
        points: ``(N, 2)`` of x (column) and y (row) in pixels of the full image; pixel i covers ``[i, i + 1)``.
        frame: Which image of a case it belongs to, where a file covers several; else None.
    """

    name: str
    points: np.ndarray = field(repr=False)
    frame: int | None = None


@dataclass(frozen=True)
class Box:
    """A box of an annotation file: its edges in pixels of the full image, pixel i covers ``[i, i + 1)``.

    Args:
        name: Class as the file names it.
        left: Smaller x (column).
        top: Smaller y (row).
        right: Larger x.
        bottom: Larger y.
    """

    name: str
    left: float
    top: float
    right: float
    bottom: float
