"""DICOM images of one frame: mammograms, radiographs, and the slices of a series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rasd_nnu.dataset_specs.formats import dicom_seg
from rasd_nnu.dataset_specs.formats.guard import MAX_BYTES, check_claim, reading
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.dataset_specs.libraries import require
from rasd_nnu.errors import DatasetError, SetupError

INVERTED = "MONOCHROME1"
# How far apart an image's pixels are; the second is the detector's, magnified in projections.
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


def read(path: Path, *, voi: bool = False, max_bytes: int = MAX_BYTES) -> Picture:
    """Read an image of one frame, or a segmentation as its label map (see `dicom_seg`).

    Args:
        path: File, with any ending or none.
        voi: Also apply the window or look-up table that the file recommends for display.
        max_bytes: Largest picture that is read, unpacked.

    Returns:
        Values after the rescale slope and intercept, with dark always low: MONOCHROME1 is inverted. Three
        channels where the file has colours; one slice.

    Raises:
        DatasetError: The file is damaged, has no image or several frames, or its pixels are not square and have
            no spacing.
        SetupError: pydicom, or the decoder of the file's compression, is not installed.
    """
    data = read_header(path, with_pixels=True)
    if data.get("Modality") == "SEG":
        return dicom_seg.read(path, max_bytes=max_bytes)
    pixels = frame_of(path, data, voi, max_bytes)
    spacing = _pixel_spacing(path, data)
    array = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
    geometry = Geometry((spacing[1], spacing[0], 1.0)) if spacing else Geometry()
    return Picture(array[:, None], geometry, path, spacing_known=spacing is not None)


def read_header(path: Path, with_pixels: bool = False) -> Any:
    """Read the data set of a file, by default without its pixels.

    Raises:
        DatasetError: The file is missing, damaged or no DICOM.
    """
    pydicom: Any = require("pydicom", "DICOM")
    with reading(path, pydicom.errors.InvalidDicomError, AttributeError, KeyError, NotImplementedError):
        data = pydicom.dcmread(path, stop_before_pixels=not with_pixels)
        if "Rows" not in data or "Columns" not in data:
            raise DatasetError(f"{path} is a DICOM file without an image ({_kind(data)}); take it out of the folder.")
    return data


def _kind(data: Any) -> str:
    uid = data.get("SOPClassUID")
    return str(getattr(uid, "name", uid) or "unknown kind")


def frame_of(path: Path, data: Any, voi: bool = False, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Return the pixels ``(Y, X)`` or ``(Y, X, 3)`` of a data set, rescaled and with dark low.

    Args:
        path: Its file, for messages.
        data: What pydicom read, with pixels.
        voi: Whether to apply the recommended window or table.
        max_bytes: Largest frame that is read.

    Raises:
        DatasetError: There are several frames, or the pixels are damaged.
        SetupError: A decoder is missing.
    """
    frames = int(data.get("NumberOfFrames") or 1)
    if frames != 1:
        raise DatasetError(f"{path} has {frames} frames; expected one. Export the frames as a series of files.")
    if data.get("PhotometricInterpretation") == "PALETTE COLOR":
        raise DatasetError(f"{path} stores colours by a palette; expected grey or RGB. Convert it to RGB.")
    samples, bits = int(data.get("SamplesPerPixel", 1)), int(data.get("BitsAllocated", 16))
    packed = bool(data.file_meta.TransferSyntaxUID.is_compressed) if "TransferSyntaxUID" in data.file_meta else False
    stored = None if packed else path.stat().st_size
    check_claim(path, (data.Rows, data.Columns, samples), max(1, bits // 8), stored, max_bytes=max_bytes)
    pixels = _decode(path, data)
    if samples > 1:
        return pixels
    return _upright_values(path, data, pixels, voi)


def _decode(path: Path, data: Any) -> np.ndarray:
    if "PixelData" not in data:
        raise DatasetError(f"{path} has no pixels. The file is incomplete: get it again from the official site.")
    try:
        with reading(path, AttributeError, KeyError, TypeError, IndexError):
            pixels: np.ndarray = data.pixel_array
            return pixels
    except (RuntimeError, NotImplementedError) as error:
        syntax = data.file_meta.TransferSyntaxUID
        if "missing dependencies" in str(error):
            raise SetupError(
                f"{path} is compressed as {syntax.name}, for which no decoder is installed. "
                "Run: pip install python-gdcm"
            ) from error
        raise DatasetError(
            f"cannot read {path}: {error}. The file is damaged: get it again from the official site."
        ) from error


def _upright_values(path: Path, data: Any, pixels: np.ndarray, voi: bool) -> np.ndarray:
    with reading(path, AttributeError, KeyError, TypeError, IndexError):
        inverted = str(data.get("PhotometricInterpretation", "")) == INVERTED
        if inverted and not voi:
            pixels = _mirrored(pixels, _stored_range(data))
        values = _rescaled(data, pixels)
        if voi:
            pydicom_pixels: Any = require("pydicom.pixels", "DICOM")
            shown = pydicom_pixels.apply_voi_lut(values, data)
            values = _mirrored(shown, (shown.min(), shown.max())) if inverted else shown
        return values.astype(np.float32) if values.dtype.kind == "f" else values


def _stored_range(data: Any) -> tuple[int, int]:
    """Return the lowest and highest value that the bits of a pixel can hold."""
    bits = int(data.BitsStored)
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if int(data.PixelRepresentation) else (0, 2**bits - 1)


def _mirrored(values: np.ndarray, ends: tuple[Any, Any]) -> np.ndarray:
    """Reverse the order of the values between two ends."""
    wide = np.int64 if values.dtype.kind in "iu" else values.dtype
    mirrored: np.ndarray = (int(ends[0]) + int(ends[1]) if wide is np.int64 else sum(ends)) - values.astype(wide)
    return mirrored.astype(values.dtype)


def _rescaled(data: Any, pixels: np.ndarray) -> np.ndarray:
    """Apply the modality's slope and intercept; whole numbers stay whole."""
    slope, intercept = float(data.get("RescaleSlope", 1) or 1), float(data.get("RescaleIntercept", 0) or 0)
    if (slope, intercept) == (1, 0):
        return pixels
    if slope.is_integer() and intercept.is_integer():
        whole = pixels.astype(np.int32) * int(slope) + int(intercept)
        fits = np.iinfo(np.int16).min <= whole.min() and whole.max() <= np.iinfo(np.int16).max
        return whole.astype(np.int16) if fits else whole
    return (pixels * slope + intercept).astype(np.float32)


def _pixel_spacing(path: Path, data: Any) -> tuple[float, float] | None:
    """Return the size of a pixel in mm along y and x; None where the file does not tell."""
    for name in SPACINGS:
        values: Sequence[Any] | None = data.get(name)
        if values:
            spacing = tuple(float(value) for value in values)
            if len(spacing) != 2 or not all(0 < value < np.inf for value in spacing):
                raise DatasetError(f"{path} has {name} {values}; expected two positive numbers. Correct the file.")
            return spacing[0], spacing[1]
    aspect = data.get("PixelAspectRatio")
    if aspect and float(aspect[0]) != float(aspect[1]):
        raise DatasetError(
            f"{path} says that its pixels are not square (aspect {aspect[0]}:{aspect[1]}) but not how large they are. "
            "Resample it to square pixels, or add PixelSpacing."
        )
    return None
