"""``manifest.json``: what a folder of samples holds, and how to tell that it is all there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasd_nnu.errors import ConfigError, DatasetError
from rasd_nnu.files import write_text
from rasd_nnu.pretrain.synthesis import STREAM_VERSION, SynthesisConfig
from rasd_nnu.reading import read_json_object

FORMAT_VERSION = 1
FILE_NAME = "manifest.json"


@dataclass(frozen=True)
class FileEntry:
    """Size and digest of a sample's file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a folder holds.

    Args:
        config: What was synthesised.
        seed: The stream that the samples are the first ones of.
        samples: How many.
        views: Views of each sample.
        files: An entry a sample; empty until all are written.
        stream: Version of the stream, `STREAM_VERSION` when it was written.
    """

    config: SynthesisConfig
    seed: int
    samples: int
    views: int = 1
    files: tuple[FileEntry, ...] = ()
    stream: int = STREAM_VERSION

    @property
    def complete(self) -> bool:
        """Whether every sample is written."""
        return len(self.files) == self.samples

    @property
    def bytes(self) -> int:
        """Size of all samples."""
        return sum(entry.bytes for entry in self.files)

    @property
    def digest(self) -> str:
        """Return one SHA-256 of the content of all files."""
        return hashlib.sha256("".join(entry.sha256 for entry in self.files).encode()).hexdigest()

    def request(self) -> dict[str, Any]:
        """Return what decides the content of each file, as JSON values."""
        return {"seed": self.seed, "views": self.views, "stream": self.stream, "synthesis": self.config.to_dict()}

    def write(self, folder: Path) -> None:
        """Write ``manifest.json``, atomically."""
        files = [{"bytes": entry.bytes, "sha256": entry.sha256} for entry in self.files]
        content = {"format_version": FORMAT_VERSION, "samples": self.samples, **self.request(), "files": files}
        write_text(folder / FILE_NAME, json.dumps(content, indent=1))


def sample_path(folder: Path, index: int) -> Path:
    """Return the path of a sample's file."""
    return folder / f"sample_{index:06d}.npz"


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder, complete or not.

    Raises:
        DatasetError: If there is none, or it is damaged or of another version.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise DatasetError(f"{folder} has no {FILE_NAME}; expected a folder that `rasd_nnu synthesize --out` made.")
    content = read_json_object(path, DatasetError, "Synthesise anew.")
    try:
        version = content["format_version"]
        if version != FORMAT_VERSION:
            raise DatasetError(f"{path} has format version {version}, expected {FORMAT_VERSION}. Synthesise anew.")
        return Manifest(
            config=SynthesisConfig.from_dict(content["synthesis"]),
            seed=int(content["seed"]),
            samples=int(content["samples"]),
            views=int(content["views"]),
            files=tuple(FileEntry(int(entry["bytes"]), str(entry["sha256"])) for entry in content["files"]),
            stream=int(content.get("stream", 1)),
        )
    except (ValueError, KeyError, TypeError, OverflowError, ConfigError) as error:
        raise DatasetError(f"{path} is damaged ({type(error).__name__}: {error}). Synthesise anew.") from None
