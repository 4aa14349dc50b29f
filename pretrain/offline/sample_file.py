"""A shard: one sample in one ``.npz`` file without pickle: half-precision image, one byte a voxel of label."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from rasd_nnu.errors import DatasetError
from rasd_nnu.files import atomic_file
from rasd_nnu.pretrain.offline.manifest import FileEntry
from rasd_nnu.pretrain.synthesis import SynthesisConfig

FIX = "Give the `rasd_nnu synthesize` command that made the folder again: it makes what is missing or damaged anew."


def write_sample(path: Path, image: Tensor, label: Tensor) -> FileEntry:
    """Write a sample to a temporary file and rename it; the same sample gives the same bytes.

    The image is rounded to float16: its relative error of 0.05 % is far below the noise that every preset adds, and
    half of the bytes are saved. Label maps shrink a hundredfold when compressed and images, being noisy,
    hardly, so that only the former are.

    Args:
        path: The file.
        image: ``(V, C, *S)``, within the range of float16.
        label: ``(*S)``, classes below 256.

    Raises:
        DatasetError: If a value does not fit.
        OSError: If the file cannot be written.
    """
    arrays = {"image": image.half().numpy(), "label": label.to(torch.uint8).numpy()}
    if not np.isfinite(arrays["image"]).all():
        raise DatasetError(
            f"an intensity of {path.name} is beyond float16 (65504). Use a normalisation, or pretrain online."
        )
    with atomic_file(path) as file:
        _write_npz(file, arrays)
    return file_entry(path)


def _write_npz(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            # A ZipInfo of its own has no time stamp: numpy's savez would make each file different.
            member = zipfile.ZipInfo(f"{name}.npy")
            member.compress_type = zipfile.ZIP_DEFLATED if name == "label" else zipfile.ZIP_STORED
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)


def file_entry(path: Path) -> FileEntry:
    """Return size and digest of a file.

    Raises:
        DatasetError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return FileEntry(file.tell(), digest)
    except OSError as error:
        raise DatasetError(f"cannot read {path} ({error}). {FIX}") from None


def read_sample(path: Path, config: SynthesisConfig, views: int) -> tuple[Tensor, Tensor]:
    """Read a sample; the checksum of the archive's members is compared on the way.

    Args:
        path: The file.
        config: What it was synthesised from.
        views: How many views it holds.

    Returns:
        Image ``(V, C, *S)`` float32 and label ``(*S)`` int64.

    Raises:
        DatasetError: If the file is missing or damaged, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            image, label = archive["image"], archive["label"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{path} is missing or damaged ({type(error).__name__}: {error}). {FIX}") from None
    found = [(array.dtype.name, array.shape) for array in (image, label)]
    expected = [("float16", (views, config.channels, *config.shape)), ("uint8", config.shape)]
    if found != expected or label.max() >= config.max_classes:
        raise DatasetError(
            f"{path} holds {found} with classes up to {label.max()}, expected {expected} with classes below "
            f"{config.max_classes}. {FIX}"
        )
    return torch.from_numpy(image).float(), torch.from_numpy(label).long()
