"""Images as they lie on disk, and back: arrays in nnU-Net's axis order, geometry kept by SimpleITK."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from rasd_nnu.errors import DatasetError

FloatArray = npt.NDArray[np.float32]

#: Spacing between the slices of a 2D image, large as nnU-Net has it, so that nothing is interpolated across.
_APART = 999.0
_CHANNEL = "_0000"


@dataclass(frozen=True)
class CaseImage:
    """An image of one case.

    Args:
        name: Case.
        array: Intensities ``(C, Z, Y, X)``; a 2D image has one slice.
        spacing: Along Z, Y, X in mm.
        geometry: The first channel, which says where the voxels lie.
    """

    name: str
    array: FloatArray
    spacing: tuple[float, float, float]
    geometry: sitk.Image


def read_image(path: Path) -> sitk.Image:
    """Read an image of two or three axes.

    Raises:
        DatasetError: If it is not there, cannot be read, has other axes, or has values that are not finite.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist, expected an image such as .nii.gz, .mha or .png.")
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-120:]
        raise DatasetError(f"{path} cannot be read as an image: {reason}. Convert it to NIfTI, MHA or PNG.") from None
    if image.GetDimension() not in (2, 3):
        raise DatasetError(f"{path} has {image.GetDimension()} axes, expected 2 or 3. Write one file for each channel.")
    if not np.isfinite(sitk.GetArrayViewFromImage(image)).all():
        raise DatasetError(f"{path} has values that are not finite. Replace NaN and infinity.")
    return image


def case_name(path: Path) -> str:
    """Return the case that a file is of: its name without ending and without nnU-Net's ``_0000``."""
    return path.name.split(".")[0].removesuffix(_CHANNEL)


def find_images(source: Path) -> list[Path]:
    """Return the image of each case: ``source`` itself, or the first channels in a folder.

    Raises:
        DatasetError: If there are none.
    """
    if not source.is_dir():
        return [source]
    files = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    first = [path for path in files if path.name.split(".")[0].endswith(_CHANNEL)] or files
    if not first:
        raise DatasetError(f"{source} holds no images. Give a folder such as imagesTr, or files.")
    return first


def read_case(path: Path, channels: int) -> CaseImage:
    """Read all channels of a case.

    Args:
        path: The image, of several channels if it is a colour picture; or its first channel, ``<case>_0000.<ending>``.
        channels: Input channels of the network.

    Raises:
        DatasetError: If a channel is missing or lies elsewhere.
    """
    first = read_image(path)
    if first.GetNumberOfComponentsPerPixel() == channels and channels > 1:
        return case_of([sitk.VectorIndexSelectionCast(first, i) for i in range(channels)], case_name(path))
    if channels > 1 and _CHANNEL not in path.name:
        raise DatasetError(
            f"{path} has one channel, the network takes {channels}. Name the files <case>_0000, <case>_0001, ..."
        )
    others = [path.with_name(path.name.replace(_CHANNEL, f"_{i:04d}")) for i in range(1, channels)]
    return case_of([first, *map(read_image, others)], case_name(path))


def case_of(images: Sequence[sitk.Image], name: str) -> CaseImage:
    """Return images of one channel each as a case.

    Raises:
        DatasetError: If one has several components, or another grid than the first.
    """
    first = images[0]
    for number, image in enumerate(images):
        if image.GetNumberOfComponentsPerPixel() != 1:
            raise DatasetError(
                f"case {name!r}: channel {number} has {image.GetNumberOfComponentsPerPixel()} values a voxel, expected "
                "one. Convert colour pictures to gray, or use a network of three channels."
            )
        if image.GetSize() != first.GetSize():
            raise DatasetError(
                f"case {name!r}: channel {number} has the size {image.GetSize()}, channel 0 {first.GetSize()}; "
                "resample them to one grid."
            )
    arrays = [sitk.GetArrayFromImage(image) for image in images]
    spacing = tuple(abs(s) for s in reversed(first.GetSpacing()))
    if first.GetDimension() == 2:
        arrays, spacing = [array[None] for array in arrays], (_APART * max(spacing), *spacing)
    return CaseImage(name, np.stack(arrays).astype(np.float32), (spacing[0], spacing[1], spacing[2]), first)


def to_image(array: npt.NDArray[Any], geometry: sitk.Image) -> sitk.Image:
    """Return ``(F, Z, Y, X)`` as an image of one more axis than ``geometry``, the channels last."""
    channels = [a[0] if geometry.GetDimension() == 2 else a for a in array]
    images = [sitk.GetImageFromArray(np.ascontiguousarray(channel)) for channel in channels]
    for image in images:
        image.CopyInformation(geometry)
    return sitk.JoinSeries(images)


def write_image(image: sitk.Image, path: Path) -> None:
    """Write an image, whole or not at all.

    Raises:
        DatasetError: If the ending is none that can be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        try:
            sitk.WriteImage(image, str(unfinished), useCompression=True)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[-120:]
            raise DatasetError(f"cannot write {path}: {reason}. Use a name such as x.nii.gz.") from None
        unfinished.replace(path)
