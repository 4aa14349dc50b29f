"""Folders and disks that cannot be used, through ``rasd_nnu tasks prepare``."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from tests.dataset_specs.bad_input import (
    VOLUMES,
    Scene,
    pictures,
    save_nifti,
    save_png,
)


def test_source_that_is_not_there(scene: Scene) -> None:
    scene.make(pictures)
    shutil.rmtree(scene.release)
    assert scene.prepare() == 2
    assert "is not a folder" in scene.error()
    assert not scene.raw.exists()


def test_target_that_cannot_be_written(scene: Scene) -> None:
    """A file in the place of the folder; permissions would not stop a test that runs as root."""
    scene.make(pictures)
    scene.raw.write_text("")
    assert scene.prepare() == 2
    assert "cannot write" in scene.error()
    assert scene.raw.read_text() == ""


def mount(folder: Path, options: str) -> None:
    """Lay a file system in memory over a folder, where this is allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.decode().strip()}")


@pytest.fixture
def small_disk(scene: Scene) -> Iterator[Path]:
    """A file system with 300 kB in the place of nnU-Net's folder."""
    mount(scene.raw, "size=300k")
    yield scene.raw
    subprocess.run(["umount", str(scene.raw)], check=True)


@pytest.fixture
def read_only(scene: Scene) -> Iterator[Path]:
    """A file system that can only be read in the place of nnU-Net's folder; permissions would not stop root."""
    mount(scene.raw, "ro")
    yield scene.raw
    subprocess.run(["umount", str(scene.raw)], check=True)


def test_target_that_can_only_be_read(scene: Scene, read_only: Path) -> None:
    scene.make(pictures)
    assert scene.prepare() == 2
    assert "Read-only file system" in scene.error()
    assert not list(read_only.iterdir())
    subprocess.run(["mount", "-o", "remount,rw", str(read_only)], check=True)
    assert scene.prepare() == 0


@pytest.mark.parametrize("kind", ["png", "nifti", "copy"])
def test_full_disk(scene: Scene, small_disk: Path, kind: str) -> None:
    """Six cases of about 100 kB each do not fit; what fits stays, whole, and the run goes on when there is space."""
    noise = np.random.default_rng(1)

    def files(release: Path, case: str) -> None:
        if kind == "png":
            array = noise.integers(0, 255, (300, 300), dtype=np.uint8)
            save_png(array, release / "images" / f"{case}.png")
            save_png(np.where(array > 100, 255, 0).astype(np.uint8), release / "masks" / f"{case}.png")
        else:
            volume = noise.integers(0, 30_000, (5, 100, 100)).astype(np.int16)
            save_nifti(volume, release / "images" / f"{case}.nii.gz")
            save_nifti((volume > 500).astype(np.uint8), release / "labels" / f"{case}.nii.gz")

    flip = {"steps": {"image": [{"kind": "flip", "axes": ["x"]}], "label": [{"kind": "flip", "axes": ["x"]}]}}
    scene.make(files, **({} if kind == "png" else VOLUMES if kind == "copy" else VOLUMES | flip))
    assert scene.prepare() == 2
    assert "No space left" in scene.error()
    kept = scene.images()
    assert 0 < len(kept) < 6
    assert not [path for path in scene.raw.rglob("*") if "tmp" in path.name]
    assert not (scene.raw / "Dataset077_Bad").exists()
    subprocess.run(["mount", "-o", "remount,size=3m", str(small_disk)], check=True)
    assert scene.prepare() == 0
    assert f"({6 - len(kept)} converted now)" in scene.capsys.readouterr().out
    for image in (scene.raw / "Dataset077_Bad" / "imagesTr").iterdir():
        assert np.isfinite(np.asarray(Image.open(image) if kind == "png" else nib.load(image).dataobj)).all()
