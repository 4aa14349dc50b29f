"""Write pictures as nnU-Net reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.errors import DatasetError

PNG_TYPES = (np.uint8, np.uint16)


def to_sitk(picture: Picture, channel: int) -> sitk.Image:
    """Return one channel of a picture as a SimpleITK image of three axes."""
    array = np.ascontiguousarray(picture.array[channel])
    image = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
    image.SetSpacing(picture.geometry.spacing_mm)
    image.SetOrigin(picture.geometry.origin_mm)
    image.SetDirection(picture.geometry.direction)
    return image


def write_nifti(picture: Picture, channel: int, file: Path) -> None:
    """Write one channel as NIfTI (``.nii.gz``) with its geometry.

    Raises:
        OSError: The file cannot be written (full disk, no permission).
    """
    try:
        sitk.WriteImage(to_sitk(picture, channel), str(file), useCompression=True, compressionLevel=1)
    except RuntimeError as error:
        raise OSError(f"cannot write {file}: {_last_line(error)}") from error


def write_png(picture: Picture, file: Path) -> None:
    """Write a picture of one slice as PNG: one channel (8 or 16 bit) or three (8 bit).

    Raises:
        DatasetError: The picture does not fit PNG.
        OSError: The file cannot be written.
    """
    array = picture.array[:, 0]
    fits = picture.is_2d and array.dtype in PNG_TYPES and picture.channels in (1, 3)
    if not fits or (picture.channels == 3 and array.dtype != np.uint8):
        raise DatasetError(
            f"{picture.source}: {picture.channels} channel(s) of {array.dtype} in {picture.shape[0]} slice(s) do not "
            "fit a PNG (one channel of 8 or 16 bit, or three of 8 bit). Write NIfTI instead, or scale the values first."
        )
    pixels = array[0] if picture.channels == 1 else np.moveaxis(array, 0, -1)
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format="PNG", compress_level=1)


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
