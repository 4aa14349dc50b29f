"""TIFF pictures of 8 or 16 bit (whole slides are read by tiles, see `slide`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rasd_nnu.dataset_specs.formats.guard import MAX_BYTES, check_claim, reading
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.dataset_specs.libraries import require
from rasd_nnu.errors import DatasetError

CHANNELS_OF_AXES = {"YX": None, "YXS": 2, "SYX": 0, "CYX": 0}


def read(path: Path, *, spacing_mm: tuple[float, float] | None = None, max_bytes: int = MAX_BYTES) -> Picture:
    """Read the picture of a TIFF file at full resolution; its alpha channel is dropped.

    Args:
        path: File with one picture, perhaps with smaller copies of it.
        spacing_mm: Size of a pixel along x and y, where it is known from elsewhere. The resolution tags are
            those of a printer and are not taken as a spacing.
        max_bytes: Largest picture that is read, unpacked.

    Returns:
        One channel or three (red, green, blue), one slice, with the file's type of numbers.

    Raises:
        DatasetError: The file is damaged, or holds several pictures or complex numbers.
    """
    tifffile: Any = require("tifffile", "TIFF")
    with reading(path, tifffile.TiffFileError, KeyError, IndexError, RuntimeError), tifffile.TiffFile(path) as file:
        if len(file.series) != 1 or file.series[0].axes not in CHANNELS_OF_AXES:
            held = ", ".join(f"{series.axes} {series.shape}" for series in file.series) or "nothing"
            raise DatasetError(f"{path} holds {held}; expected one picture (YX, YXS). Save the page that is meant.")
        series = file.series[0]
        check_claim(path, series.shape, series.dtype.itemsize, max_bytes=max_bytes)
        alone = _samples_without_alpha(series.pages[0])
        pixels = np.asarray(series.asarray())
    if pixels.dtype.kind not in "iufb":
        raise DatasetError(f"{path} holds numbers of the type {pixels.dtype}; expected integers or real numbers.")
    axis = CHANNELS_OF_AXES[series.axes]
    array = pixels[None] if axis is None else np.moveaxis(pixels, axis, 0)[:alone]
    geometry = Geometry((*spacing_mm, 1.0)) if spacing_mm else Geometry()
    return Picture(array[:, None], geometry, path, spacing_known=spacing_mm is not None)


def _samples_without_alpha(page: Any) -> int:
    """Return how many channels a page has besides its extra ones (alpha)."""
    return int(page.samplesperpixel) - len(page.extrasamples)
