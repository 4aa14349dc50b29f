"""Whole-slide images, through tiffslide: read in tiles, so that memory stays small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rasd_nnu.dataset_specs.formats.guard import MAX_BYTES, check_claim, reading
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.dataset_specs.libraries import require
from rasd_nnu.dataset_specs.window import Window
from rasd_nnu.errors import DatasetError

MM_PER_MICROMETRE = 1e-3
LIBRARY_ERRORS = (KeyError, IndexError, RuntimeError, TypeError, AttributeError)


@dataclass(frozen=True)
class Slide:
    """An open slide.

    Args:
        path: File.
        handle: tiffslide's object.
        level: Level that is read; 0 is full resolution.
    """

    path: Path
    handle: Any
    level: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels of the level."""
        width, height = self.handle.level_dimensions[self.level]
        return int(height), int(width)

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Size of a pixel of the level along x and y; None where the file does not tell."""
        found = [self.handle.properties.get(f"tiffslide.mpp-{axis}") for axis in "xy"]
        if not all(found):
            return None
        factor = float(self.handle.level_downsamples[self.level]) * MM_PER_MICROMETRE
        return float(found[0]) * factor, float(found[1]) * factor

    def part(self, top: int, left: int, height: int, width: int) -> Picture:
        """Read a rectangle, given in pixels of the level; it must lie inside.

        Raises:
            DatasetError: It leaves the slide, or the file is damaged there.
        """
        rows, columns = self.size
        if min(top, left) < 0 or height < 1 or width < 1 or top + height > rows or left + width > columns:
            raise DatasetError(
                f"{self.path}: the part {width}x{height} at ({left}, {top}) leaves the slide of "
                f"{columns}x{rows} pixels."
            )
        scale = float(self.handle.level_downsamples[self.level])
        corner = (round(left * scale), round(top * scale))
        with reading(self.path, *LIBRARY_ERRORS):
            pixels = np.asarray(self.handle.read_region(corner, self.level, (width, height), as_array=True))
        spacing = self.spacing_mm
        x, y = spacing or (1.0, 1.0)
        geometry = Geometry((x, y, 1.0), (left * x, top * y, 0.0))
        return Picture(np.moveaxis(pixels[..., :3], -1, 0)[:, None], geometry, self.path, spacing_known=bool(spacing))

    def windows(self, size: int, overlap: int = 0) -> Iterator[Window]:
        """Return the places of tiles, row by row; the last ones are moved inside.

        Args:
            size: Edge of a tile in pixels of the level; a slide that is smaller gives one smaller tile.
            overlap: By how many pixels neighbours overlap.
        """
        height, width = self.size
        scale = float(self.handle.level_downsamples[self.level])
        for top in tile_starts(height, size, overlap):
            for left in tile_starts(width, size, overlap):
                yield Window(top, left, min(size, height), min(size, width), scale)


def tile_starts(length: int, size: int, overlap: int = 0) -> list[int]:
    """Return where tiles start so that they cover a length; the last one ends with it.

    Example:
        >>> tile_starts(100, 40), tile_starts(30, 40), tile_starts(100, 40, overlap=10)
        ([0, 40, 60], [0], [0, 30, 60])
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap must be at least 0 and less than the size {size}, got {overlap}")
    last = max(0, length - size)
    return sorted({*range(0, last, size - overlap), last})


@contextmanager
def open_slide(path: Path, level: int = 0) -> Iterator[Slide]:
    """Open a slide to read parts of it.

    Raises:
        DatasetError: The file is damaged or no slide, or has no such level.
        SetupError: tiffslide is not installed.
    """
    tiffslide: Any = require("tiffslide", "a whole-slide image")
    with reading(path, tiffslide.TiffFileError, *LIBRARY_ERRORS):
        handle = tiffslide.TiffSlide(path)
    with handle:
        if not 0 <= level < handle.level_count:
            raise DatasetError(f"{path} has {handle.level_count} level(s), but level {level} is asked for (from 0).")
        yield Slide(path, handle, level)


def read(
    path: Path, *, level: int = 0, part: tuple[int, int, int, int] | None = None, max_bytes: int = MAX_BYTES
) -> Picture:
    """Read a slide at one level, as a whole or in part.

    Args:
        path: File.
        level: Level of the pyramid; 0 is full resolution.
        part: Top, left, height and width in pixels of the level; None reads all, if it is small enough.
        max_bytes: Largest picture that is read.

    Raises:
        DatasetError: The file is damaged, has no such level or part, or is larger than `max_bytes`.
        SetupError: tiffslide is not installed.
    """
    with open_slide(path, level) as slide:
        top, left, height, width = part or (0, 0, *slide.size)
        check_claim(path, (height, width, 3), 1, max_bytes=max_bytes)
        return slide.part(top, left, height, width)
