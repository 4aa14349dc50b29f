"""Releases with one bad file, through ``rasd_nnu tasks prepare``: what must be said, and what must stay.

Each release has six cases. One is spoilt; the others must be kept, nothing half written may remain, and after the file
is repaired the same command must finish the data set.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import yaml
from PIL import Image

from rasd_nnu.cli.main import main

CASES = [f"case_{number}" for number in range(1, 7)]
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 255, (32, 32), dtype=np.uint8)
MASK = np.where(PIXELS > 100, 255, 0).astype(np.uint8)
VOLUME = RNG.integers(0, 1000, (4, 32, 32)).astype(np.int16)
Spoil = Callable[[Path], object]

SPEC: dict[str, Any] = {
    "key": "bad", "id": 77, "name": "Bad", "title": "Bad input", "modality": "CT", "dims": 2, "task": "segmentation",
    "region": "none", "target": "none", "channels": ["gray"], "labels": {"background": 0, "organ": 1},
    "homepage": "https://example.org", "access": "open", "licence": "CC0",
    "citation": [{"authors": "A", "title": "T", "venue": "V", "year": 2020}],
    "layout": {"kind": "files", "folder": "release", "cases": 6, "image": "images/{case}.png", "case": "{case}"},
    "annotation": {"kind": "label_map", "file": "masks/{case}.png"},
    "steps": {"label": [{"kind": "remap", "values": {0: 0, 255: 1}}]},
    "group": {"by": "case", "why": "one image a person"},
}  # fmt: skip


class Scene:
    """A release on disk, its spec, and the command."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys
        self.release = root / "release"
        self.raw = root / "raw"

    def make(self, files: Callable[[Path, str], object], **changes: Any) -> None:
        for case in CASES:
            files(self.release, case)
        spec = {**SPEC, **changes}
        (self.root / "bad.yaml").write_text(yaml.safe_dump(spec))

    def prepare(self) -> int:
        spec, source = str(self.root / "bad.yaml"), str(self.release)
        with pytest.raises(SystemExit) as exit_:
            main(["tasks", "prepare", spec, "--source", source, "--workers", "1"])
        return int(exit_.value.code or 0)

    def error(self) -> str:
        """The one line that the command has left on stderr."""
        text = self.capsys.readouterr().err.strip()
        assert text.startswith("error: ") and "\n" not in text, text
        assert "Traceback" not in text
        return text

    def images(self) -> list[str]:
        """Names of all images that were written, in the data set or in the one that is not complete."""
        return sorted(path.name for path in self.raw.rglob("images*/*") if path.is_file())

    def refuses(self, spoil: Spoil, *expected: str, kept: int = 5) -> None:
        """Spoil the release, look at what the command says and leaves, repair it, and run again."""
        whole = shutil.copytree(self.release, self.root / "whole")
        spoil(self.release)
        assert self.prepare() == 2
        text = self.error()
        for part in expected:
            assert part in text, text
        assert not (self.raw / "Dataset077_Bad").exists()
        assert len(self.images()) == kept
        assert not [path for path in self.raw.rglob("*") if "tmp" in path.name]
        shutil.rmtree(self.release)
        whole.rename(self.release)
        assert self.prepare() == 0
        assert len(self.images()) == len(CASES)
        assert [path.name for path in self.raw.iterdir()] == ["Dataset077_Bad"]


def save_png(array: np.ndarray, file: Path, **options: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(file, **options)
    return file


def pictures(release: Path, case: str) -> None:
    save_png(PIXELS, release / "images" / f"{case}.png")
    save_png(MASK, release / "masks" / f"{case}.png")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def save_nifti(array: np.ndarray, file: Path, spacing: tuple[float, ...] = (1, 1, 3)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array.T, np.diag([*spacing, 1.0])), file)


def volumes(release: Path, case: str) -> None:
    save_nifti(VOLUME, release / "images" / f"{case}.nii.gz")
    save_nifti((VOLUME > 500).astype(np.uint8), release / "labels" / f"{case}.nii.gz")


VOLUMES: dict[str, Any] = {
    "dims": 3,
    "layout": {**SPEC["layout"], "image": "images/{case}.nii.gz"},
    "annotation": {"kind": "label_map", "file": "labels/{case}.nii.gz"},
    "steps": {},
}
