"""A folder of images without labels, preprocessed as the planned configuration's own cases are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rasd_nnu.errors import DatasetError
from rasd_nnu.files import atomic_file, expanded
from rasd_nnu.nnunet.preprocessed import Preprocessed, array_digest

_CACHE = "rasd_unlabelled"


@dataclass(frozen=True)
class Unlabelled:
    """Images without labels.

    Args:
        names: Their names, sorted.
        files: The preprocessed image of each, as ``.npy``.
        digests: Name -> ``content`` and ``image``, SHA-256 of its preprocessed and of its raw image.
    """

    names: tuple[str, ...]
    files: tuple[Path, ...]
    digests: dict[str, dict[str, str]]

    def load(self, number: int) -> np.ndarray:
        """Return image ``(C, *S)``, read when sliced."""
        image: np.ndarray = np.load(self.files[number], mmap_mode="r", allow_pickle=False)
        return image


def open_unlabelled(folder: str | Path, data: Preprocessed) -> Unlabelled:
    """Read, check and preprocess the images of a folder; those that are preprocessed already are not done again.

    The preprocessed images go to ``nnUNet_preprocessed/<data set>/rasd_unlabelled``, named by their content.

    Args:
        folder: Images named as nnU-Net wants them, ``NAME_0000.ext`` and so on for further channels.
        data: The planned configuration.

    Raises:
        DatasetError: If there are none, or an image has other channels or axes, or cannot be read.
    """
    home = expanded(folder)
    channels = len(data.dataset_json["channel_names"])
    digests, files = {}, []
    for name, parts in _named(home, data.dataset_json["file_ending"], channels).items():
        image, properties = _read(parts, data)
        if image.shape[0] != channels:
            raise DatasetError(
                f"{parts[0]} has {image.shape[0]} channels, expected {channels} as {data.dataset} has. Convert it, or "
                "leave it out."
            )
        raw = array_digest(image)
        file = data.home / _CACHE / f"{_key(raw, properties, data)}.npy"
        if not file.is_file():
            with atomic_file(file) as out:
                np.save(out, _preprocessed(image, properties, data))
        files.append(file)
        digests[name] = {"content": array_digest(np.load(file, mmap_mode="r", allow_pickle=False)), "image": raw}
    return Unlabelled(tuple(digests), tuple(files), digests)


def _named(home: Path, ending: str, channels: int) -> dict[str, list[Path]]:
    """Return name -> files of its channels.

    Raises:
        DatasetError: If there are none, or a channel is missing or too many.
    """
    pattern = re.compile(rf"(.+)_([0-9]{{4}}){re.escape(ending)}")
    found: dict[str, dict[int, Path]] = {}
    for file in sorted(home.iterdir()) if home.is_dir() else ():
        if match := pattern.fullmatch(file.name):
            found.setdefault(match[1], {})[int(match[2])] = file
    if not found:
        raise DatasetError(
            f"{home} has no images NAME_0000{ending}, which is how nnU-Net names them. Check --unlabelled."
        )
    # An ending such as .png may hold all channels in one file, whose number is 0.
    for name, parts in found.items():
        if sorted(parts) not in ([0], list(range(channels))):
            raise DatasetError(
                f"{home}: {name!r} has the channels {', '.join(map(str, sorted(parts)))}, expected 0 to {channels - 1}."
                " Add what is missing, or leave the image out."
            )
    return {name: [parts[k] for k in sorted(parts)] for name, parts in sorted(found.items())}


def _read(files: Sequence[Path], data: Preprocessed) -> tuple[np.ndarray, dict[str, Any]]:
    reader = data.plans.image_reader_writer_class()
    try:
        image, properties = reader.read_images([str(file) for file in files])
    except Exception as error:  # a reader raises whatever its library does
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DatasetError(f"cannot read {files[0]}: {reason}. Replace it, or leave it out.") from error
    image = np.asarray(image, np.float32)
    if not np.isfinite(image).all():
        raise DatasetError(f"{files[0]} has values that are not finite. Correct it, or leave it out.")
    return image, properties


def _key(raw: str, properties: dict[str, Any], data: Preprocessed) -> str:
    """Return what decides a preprocessed image: the image, its spacing and the plan."""
    plans = data.plans.plans
    decides = [
        raw,
        [float(step) for step in properties["spacing"]],
        data.configuration.configuration,
        plans["transpose_forward"],
        plans["foreground_intensity_properties_per_channel"],
    ]
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def _preprocessed(image: np.ndarray, properties: dict[str, Any], data: Preprocessed) -> np.ndarray:
    preprocessor = data.configuration.preprocessor_class(verbose=False)
    done, _, _ = preprocessor.run_case_npy(
        image, None, dict(properties), data.plans, data.configuration, data.dataset_json
    )
    return np.asarray(done, np.float32)
