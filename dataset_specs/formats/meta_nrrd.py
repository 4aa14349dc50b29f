"""MetaImage (MHD with RAW, MHA) and NRRD, through SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813

from rasd_nnu.dataset_specs.formats.guard import MAX_BYTES, check_claim, reading
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.errors import DatasetError

HEADER_BYTES = 1 << 16
UNPACKED = ("raw", "ascii", "text", "txt", "hex")


def read(path: Path, *, max_bytes: int = MAX_BYTES) -> Picture:
    """Read a file whose header may name another file, which must lie beside it.

    Args:
        path: ``.mhd``, ``.mha``, ``.nrrd`` or ``.nhdr``.
        max_bytes: Largest picture that is read, unpacked.

    Raises:
        DatasetError: The file or its data are missing, damaged or shorter than the header claims, the data lie
            elsewhere, or the voxels are complex.
    """
    with reading(path):
        name, packed = _meta_header(path) if path.suffix in (".mhd", ".mha") else _nrrd_header(path)
    data = _data_file(path, name)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    with reading(path, RuntimeError):
        reader.ReadImageInformation()
        _check(path, reader, data, packed, max_bytes)
        return _picture(path, reader.Execute())


def _header_lines(path: Path) -> list[str]:
    with path.open("rb") as stream:
        return [line.decode("latin-1").strip() for line in stream.read(HEADER_BYTES).split(b"\n")]


def _meta_header(path: Path) -> tuple[str, bool]:
    """Return the name of the data file and whether it is packed; the name ends the header."""
    packed = False
    for line in _header_lines(path):
        key, _, value = line.replace(":", "=", 1).partition("=") if "=" not in line else line.partition("=")
        if key.strip() == "CompressedData":
            packed = value.strip().lower() == "true"
        if key.strip() == "ElementDataFile":
            return value.strip(), packed
    raise DatasetError(f"{path} has no ElementDataFile in its first {HEADER_BYTES} bytes; is it a MetaImage header?")


def _nrrd_header(path: Path) -> tuple[str, bool]:
    """Return the name of the data file (``LOCAL`` for the file itself) and whether it is packed."""
    name, packed = "LOCAL", False
    for line in _header_lines(path):
        key, _, value = line.partition(":")
        if key.lower() in ("data file", "datafile"):
            return value.strip(), packed
        if key.lower() == "encoding":
            packed = value.strip().lower() not in UNPACKED
        if not line:
            return name, packed
    raise DatasetError(f"{path}: the header does not end within {HEADER_BYTES} bytes; is it an NRRD file?")


def _data_file(path: Path, name: str) -> Path:
    if name.upper() == "LOCAL":
        return path
    if Path(name).name != name or name in (".", "..") or any(sign in name for sign in "\\% ") or name == "LIST":
        raise DatasetError(
            f"{path} names its data as {name!r}; expected one file beside it, without a folder. "
            "Correct the header, or get the file again from the official site."
        )
    data = path.parent / name
    if not data.is_file():
        raise DatasetError(f"{path} names the data file {name}, which is missing beside it; unpack the release again.")
    return data


def _check(path: Path, reader: sitk.ImageFileReader, data: Path, packed: bool, max_bytes: int) -> None:
    kind, channels = reader.GetPixelID(), reader.GetNumberOfComponents()
    if "complex" in sitk.GetPixelIDValueAsString(kind):
        raise DatasetError(f"{path} holds complex numbers; expected one real number a voxel. Save the magnitude.")
    item_bytes = sitk.Image([1, 1], kind, channels).GetSizeOfPixelComponent()
    check_claim(path, (*reader.GetSize(), channels), item_bytes, data.stat().st_size, packed, max_bytes)


def _picture(path: Path, image: sitk.Image) -> Picture:
    """Bring channels or time to the front, and give a 2D image its one slice."""
    dims = image.GetDimension()
    array = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        if dims > 3:
            raise DatasetError(f"{path} has channels and time; expected one of them. Save the frames on their own.")
        array = np.moveaxis(array, -1, 0)
    elif dims < 4:
        array = array[None]
    if dims == 2:
        array = array[:, None]
    affine = np.eye(4)
    direction = np.reshape(image.GetDirection(), (dims, dims))
    axes = min(dims, 3)
    affine[:axes, :axes] = (direction * np.asarray(image.GetSpacing()))[:axes, :axes]
    affine[:axes, 3] = image.GetOrigin()[:axes]
    return Picture(array, Geometry.from_affine(affine, path), path)
