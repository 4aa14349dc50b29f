"""Which reader reads which file: by the format that a spec names, else by the ending, else by the content."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasd_nnu.dataset_specs.formats.guard import reading
from rasd_nnu.dataset_specs.formats.picture import Picture
from rasd_nnu.errors import ConfigError, DatasetError, did_you_mean

MODULES = "rasd_nnu.dataset_specs.formats."


@dataclass(frozen=True)
class Format:
    """A format of images and the function that reads it.

    Args:
        name: Name in specs.
        module: Module of this package whose function ``read`` reads it; it is imported when it is first used.
        endings: Endings of file names, in lower case; of several that fit, the longest counts.
    """

    name: str
    module: str
    endings: tuple[str, ...] = ()

    @property
    def read(self) -> Callable[..., Picture]:
        """The reader; it takes a path and the format's own options."""
        function: Callable[..., Picture] = importlib.import_module(MODULES + self.module).read
        return function


FORMATS = {
    entry.name: entry
    for entry in (
        Format("nifti", "nifti", endings=(".nii", ".nii.gz")),
        Format("metaimage", "meta_nrrd", endings=(".mhd", ".mha")),
        Format("nrrd", "meta_nrrd", endings=(".nrrd", ".nhdr")),
        Format(
            "natural",
            "natural",
            endings=(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".pgm.gz", ".ppm.gz"),
        ),
        Format("tiff", "tiff", endings=(".tif", ".tiff")),
        Format("dicom", "dicom", endings=(".dcm", ".dicom")),
        Format("dicom_series", "dicom_series"),
        Format("dicom_seg", "dicom_seg"),
        Format("stack", "stack"),
        Format("npy", "npy", endings=(".npy",)),
        Format("slide", "slide", endings=(".svs", ".ndpi")),
    )
}


def find_format(path: Path, name: str | None = None) -> Format:
    """Return the format of a file or folder.

    Args:
        path: What is to be read.
        name: Format that the spec names; None looks at the ending, then at the first bytes.

    Raises:
        ConfigError: There is no format of this name.
        DatasetError: The file is missing, or of no known format.
    """
    if name is not None:
        if name not in FORMATS:
            raise ConfigError(f"unknown format {name!r}; known: {', '.join(FORMATS)}.{did_you_mean(name, FORMATS)}")
        return FORMATS[name]
    ending, found = _by_ending(path)
    if ending:
        return FORMATS[found]
    found = _by_content(path)
    if not found:
        endings = sorted(ending for entry in FORMATS.values() for ending in entry.endings)
        raise DatasetError(f"{path} is of no format that is read here. Known endings: {', '.join(endings)}.")
    return FORMATS[found]


def _by_ending(path: Path) -> tuple[str, str]:
    name = path.name.lower()
    fitting = [(ending, entry.name) for entry in FORMATS.values() for ending in entry.endings if name.endswith(ending)]
    return max(fitting, key=lambda found: len(found[0]), default=("", ""))


def _by_content(path: Path) -> str:
    """Recognise what releases are known to store without an ending: NIfTI and DICOM."""
    if path.is_dir():
        return _by_members(path)
    with reading(path), path.open("rb") as stream:
        start = stream.read(132)
    if start[:2] == b"\x1f\x8b" or start[:4] in (b"\x5c\x01\x00\x00", b"\x00\x00\x01\x5c", b"\x1c\x02\x00\x00"):
        return "nifti"
    return "dicom" if start[128:132] == b"DICM" else ""


def _by_members(folder: Path) -> str:
    """Recognise a folder by its first visible file: a DICOM series, or a stack of pictures."""
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    if not files:
        return ""
    found = _by_ending(files[0])[1] or _by_content(files[0])
    return {"dicom": "dicom_series", "natural": "stack", "tiff": "stack"}.get(found, "")


def read_picture(path: Path, format: str | None = None, **options: Any) -> Picture:
    """Read an image or a label map.

    Args:
        path: File, or folder where the format is one.
        format: Name in `FORMATS`; None finds it.
        options: Options of this format's reader, for example ``palette="index"``.

    Raises:
        ConfigError: The format or one of its options is unknown.
        DatasetError: The file is missing, damaged, or not what the format expects.
    """
    found = find_format(path, format)
    known = list(inspect.signature(found.read).parameters)[1:]
    for option in options:
        if option not in known:
            raise ConfigError(
                f"format {found.name!r} has no option {option!r}; it has {', '.join(known)}."
                f"{did_you_mean(option, known)}"
            )
    return found.read(path, **options)
