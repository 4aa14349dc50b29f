"""PNG, JPEG, BMP, GIF, PGM and PPM: pictures of 8 or 16 bit without a place in the patient."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from rasd_nnu.dataset_specs.formats.guard import MAX_BYTES, check_claim, is_gzip, reading
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.dataset_specs.libraries import require
from rasd_nnu.errors import DatasetError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM")
GREY_MODES = ("1", "L", "I;16", "I;16B", "I")
SQUARE_TOLERANCE = 0.01
PNG_START = b"\x89PNG\r\n\x1a\n"


def read(
    path: Path,
    *,
    palette: Literal["colour", "index"] = "colour",
    spacing_mm: tuple[float, float] | None = None,
    max_bytes: int = MAX_BYTES,
) -> Picture:
    """Read a picture; its alpha channel is dropped and its EXIF orientation is applied.

    The resolution in such files is that of a screen or printer and is not taken as a spacing. Where it says
    that pixels are not square, it is not ignored either: the spacing must then be given.

    Args:
        path: File; with ``.gz`` after its ending it is unpacked first.
        palette: What a picture with a palette gives: its colours (three channels) or its indices (one).
        spacing_mm: Size of a pixel along x and y, where it is known from elsewhere.
        max_bytes: Largest picture that is read, unpacked.

    Returns:
        One channel (grey or indices) or three (red, green, blue), of 8 or 16 bit; one slice.

    Raises:
        DatasetError: The file is damaged, has several frames, or pixels that are not square and no spacing.
    """
    bombs = (UnidentifiedImageError, SyntaxError, Image.DecompressionBombError)
    with reading(path, *bombs), Image.open(_stream(path, max_bytes), formats=FORMATS) as image:
        frames = getattr(image, "n_frames", 1)
        if frames != 1:
            raise DatasetError(f"{path} has {frames} frames, expected one. Save the frame that is meant on its own.")
        check_claim(path, (image.height, image.width), 2 * len(image.getbands()), max_bytes=max_bytes)
        if spacing_mm is None:
            _refuse_oblong_pixels(path, image.info)
        pixels = _deep_png(path) if _is_deep_colour_png(path) else _pixels(path, image, palette)
    array = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    geometry = Geometry((*spacing_mm, 1.0)) if spacing_mm else Geometry()
    return Picture(array[:, None], geometry, path, spacing_known=spacing_mm is not None)


def _stream(path: Path, max_bytes: int) -> Path | io.BytesIO:
    if not is_gzip(path):
        return path
    with gzip.open(path) as packed:
        content = packed.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise DatasetError(f"{path} unpacks to more than {max_bytes} bytes; take it out or raise max_bytes.")
    return io.BytesIO(content)


def _pixels(path: Path, image: Image.Image, palette: str) -> np.ndarray:
    if image.mode == "P" and palette == "index":
        return np.asarray(image)
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("LA", "La"):
        return np.asarray(upright)[..., 0]
    if upright.mode not in GREY_MODES:
        return np.asarray(upright.convert("RGB"))
    pixels = np.asarray(upright)
    if pixels.dtype == np.int32:  # Pillow's mode for 16-bit PGM
        if pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max:
            raise DatasetError(f"{path} holds values outside 16 bit; expected an 8-bit or 16-bit picture.")
        return pixels.astype(np.uint16)
    return pixels.astype(np.uint8 if pixels.dtype.itemsize == 1 else np.uint16)


def _is_deep_colour_png(path: Path) -> bool:
    """Whether it is a PNG with 16 bits a channel and several channels, which Pillow would cut to 8 bits."""
    with path.open("rb") as stream:
        start = stream.read(26)
    return start[:8] == PNG_START and start[24:25] == b"\x10" and start[25:26] in (b"\x02", b"\x04", b"\x06")


def _deep_png(path: Path) -> np.ndarray:
    codecs: Any = require("imagecodecs", "a PNG of 16 bits a channel")
    with reading(path, codecs.PngError):
        pixels: np.ndarray = codecs.png_decode(path.read_bytes())
    return pixels[..., 0] if pixels.shape[-1] == 2 else pixels[..., :3]


def _refuse_oblong_pixels(path: Path, info: Mapping[Any, Any]) -> None:
    x, y = info.get("aspect") or info.get("jfif_density") or info.get("dpi") or (1, 1)
    if min(x, y) > 0 and abs(x / y - 1) > SQUARE_TOLERANCE:
        raise DatasetError(
            f"{path} says that its pixels are not square (density {x:g} by {y:g}) but not how large they are. "
            "Give their size with spacing_mm, or resample the picture to square pixels."
        )
