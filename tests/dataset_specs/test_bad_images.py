"""Bad pictures, volumes and series through ``rasd_nnu tasks prepare``."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.dataset_specs.bad_input import (
    MASK,
    PIXELS,
    SPEC,
    VOLUME,
    VOLUMES,
    Scene,
    Spoil,
    cut,
    pictures,
    save_nifti,
    save_png,
    volumes,
)
from tests.dataset_specs.formats.dicom_files import save, save_series, slice_data

BAD_PICTURES: dict[str, tuple[Spoil, tuple[str, ...], int]] = {
    "missing label": (lambda r: (r / "masks/case_3.png").unlink(), ("case_3", "masks/case_3.png is missing"), 0),
    "extra label value": (
        lambda r: save_png(np.where(MASK > 0, 255, 7).astype(np.uint8), r / "masks/case_3.png"),
        ("case_3.png has the label value(s) 7", "names 0, 255"),
        5,
    ),
    "truncated image": (
        lambda r: cut(r / "images/case_3.png"),
        ("cannot read", "images/case_3.png", "get it again"),
        5,
    ),
    "truncated label": (lambda r: cut(r / "masks/case_3.png"), ("cannot read", "masks/case_3.png", "get it again"), 5),
    "empty file": (lambda r: (r / "images/case_3.png").write_bytes(b""), ("cannot read", "images/case_3.png"), 5),
    "page of a log-in": (
        lambda r: (r / "images/case_3.png").write_text("<html>log in</html>"),
        ("cannot read", "images/case_3.png"),
        5,
    ),
    "wrong shape": (
        lambda r: save_png(MASK[:30], r / "masks/case_3.png"),
        ("case_3.png has the shape (1, 30, 32)",),
        5,
    ),
    "colours": (
        lambda r: save_png(np.stack([PIXELS] * 3, -1), r / "images/case_3.png"),
        ("images/case_3.png has 3 channel(s), expected 1",),
        5,
    ),
    "pixels that are not square": (
        lambda r: save_png(PIXELS, r / "images/case_3.png", dpi=(100, 50)),
        ("images/case_3.png says that its pixels are not square",),
        5,
    ),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_pictures(scene: Scene, name: str) -> None:
    spoil, expected, kept = BAD_PICTURES[name]
    scene.make(pictures)
    scene.refuses(spoil, *expected, kept=kept)


def claim_32_tb(file: Path) -> None:
    content = bytearray(gzip.decompress(file.read_bytes()))
    content[40:56] = struct.pack("<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1)
    file.write_bytes(gzip.compress(bytes(content)))


RGB_TYPE = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
BAD_VOLUMES: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "truncated": (lambda r: cut(r / "images/case_3.nii.gz"), ("cannot read", "images/case_3.nii.gz")),
    "absurd size": (
        lambda r: claim_32_tb(r / "images/case_3.nii.gz"),
        ("images/case_3.nii.gz: the header claims 32767x32767x32767", "but the file holds"),
    ),
    "spacing": (
        lambda r: save_nifti((VOLUME > 500).astype(np.uint8), r / "labels/case_3.nii.gz", (1, 1, 2)),
        ("labels/case_3.nii.gz has the spacing 1x1x2 mm but its image", "images/case_3.nii.gz 1x1x3 mm"),
    ),
    "shape": (
        lambda r: save_nifti((VOLUME[:3] > 500).astype(np.uint8), r / "labels/case_3.nii.gz"),
        ("labels/case_3.nii.gz has the shape (3, 32, 32)",),
    ),
    "colours": (
        lambda r: save_nifti(np.zeros(VOLUME.shape, RGB_TYPE), r / "images/case_3.nii.gz"),
        ("images/case_3.nii.gz holds colours (RGB)",),
    ),
    "complex": (
        lambda r: save_nifti(VOLUME.astype(np.complex64), r / "images/case_3.nii.gz"),
        ("images/case_3.nii.gz holds complex numbers",),
    ),
    "not finite": (
        lambda r: save_nifti(np.where(VOLUME > 990, np.nan, VOLUME), r / "images/case_3.nii.gz"),
        ("images/case_3.nii.gz has", "NaN or infinite voxel(s)"),
    ),
    "fractional label": (
        lambda r: save_nifti((VOLUME > 500) * 0.5, r / "labels/case_3.nii.gz"),
        ("labels/case_3.nii.gz has the label value(s) 0.5",),
    ),
}


@pytest.mark.parametrize("name", BAD_VOLUMES)
def test_volumes(scene: Scene, name: str) -> None:
    scene.make(volumes, **VOLUMES)
    scene.refuses(BAD_VOLUMES[name][0], *BAD_VOLUMES[name][1])


def series(release: Path, case: str) -> None:
    save_series(release / case / "ct", VOLUME)
    for number, plane in enumerate(VOLUME, start=1):
        save_png(np.where(plane > 500, 255, 0).astype(np.uint8), release / case / "ground" / f"gt_{number}.png")


SERIES: dict[str, Any] = {
    "dims": 3,
    "layout": {**SPEC["layout"], "image": "{case}/ct/"},
    "annotation": {"kind": "label_map", "file": "{case}/ground/"},
}
BAD_SERIES: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "missing slice": (lambda r: (r / "case_3/ct/image_07").unlink(), ("case_3/ct", "a slice is missing")),
    "mixed": (
        lambda r: save(slice_data(VOLUME[0], SeriesInstanceUID="1.2.4"), r / "case_3/ct/scout"),
        ("case_3/ct mixes 2 series", "1.2.4 (1 files)"),
    ),
    "truncated": (lambda r: cut(r / "case_3/ct/image_07"), ("case_3/ct/image_07",)),
    "mask too few": (
        lambda r: (r / "case_3/ground/gt_2.png").unlink(),
        ("case_3/ground has the shape (3, 32, 32)", "case_3/ct (4, 32, 32)"),
    ),
}


@pytest.mark.parametrize("name", BAD_SERIES)
def test_dicom_series(scene: Scene, name: str) -> None:
    scene.make(series, **SERIES)
    scene.refuses(BAD_SERIES[name][0], *BAD_SERIES[name][1])
