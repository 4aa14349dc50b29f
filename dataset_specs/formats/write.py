"""Write pictures as nnU-Net reads them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk  # noqa: N813
from isal import igzip
from PIL import Image

from rasd_nnu.dataset_specs.formats.nifti import RAS_TO_LPS
from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.errors import DatasetError

PNG_TYPES = (np.uint8, np.uint16)
LEVEL = 1  # of ISA-L's 0 to 3


def to_sitk(picture: Picture, channel: int) -> sitk.Image:
    """Return one channel of a picture as a SimpleITK image of three axes."""
    array = np.ascontiguousarray(picture.array[channel])
    image = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
    image.SetSpacing(picture.geometry.spacing_mm)
    image.SetOrigin(picture.geometry.origin_mm)
    image.SetDirection(picture.geometry.direction)
    return image


def write_nifti(picture: Picture, channel: int, file: Path) -> None:
    """Write one channel as NIfTI (``.nii.gz``) with its geometry; the same picture gives the same bytes.

    nibabel writes it, because SimpleITK's NIfTI writer leaves a file that is cut off, without an error, where the
    disk is full. ISA-L packs it, in about a quarter of zlib's time and to the same size as zlib's fastest level.

    Raises:
        OSError: The file cannot be written (full disk, no permission).
    """
    array = picture.array[channel]
    affine = RAS_TO_LPS @ picture.geometry.affine
    image = nib.Nifti1Image((array.astype(np.uint8) if array.dtype == bool else array).T, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    with file.open("wb") as plain, igzip.IGzipFile("", "wb", LEVEL, plain, mtime=0) as stream:
        image.to_stream(stream)


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
