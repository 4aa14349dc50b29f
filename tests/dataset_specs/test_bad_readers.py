"""Files of every other format that are cut off, or hold a page of a web site, through ``rasd_nnu tasks prepare``."""

from __future__ import annotations

import json
import plistlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import tifffile

from tests.dataset_specs.bad_input import MASK, PIXELS, SPEC, Scene, cut, pictures, save_png
from tests.dataset_specs.formats.dicom_files import save, slice_data
from tests.dataset_specs.formats.test_annotations import INBREAST, VOC

Write = Callable[[Path], object]


def save_sitk(file: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(PIXELS), str(file))


IMAGES: dict[str, Write] = {
    "mha": save_sitk,
    "mhd": save_sitk,
    "nrrd": save_sitk,
    "tif": lambda file: tifffile.imwrite(file, PIXELS),
    "svs": lambda file: tifffile.imwrite(file, np.stack([PIXELS] * 3, -1), photometric="rgb", tile=(16, 16)),
    "dcm": lambda file: save(slice_data(PIXELS, PixelSpacing=[1, 1]), file),
    "npy": lambda file: np.save(file, PIXELS),
    "bmp": lambda file: save_png(PIXELS, file),
    "jpg": lambda file: save_png(PIXELS, file),
    "gif": lambda file: save_png(PIXELS, file),
    "pgm": lambda file: save_png(PIXELS, file),
}


def page(file: Path) -> None:
    """What a download becomes after the session has ended."""
    file.write_text("<html><body>Please log in.</body></html>")


@pytest.mark.parametrize("spoil", [cut, page])
@pytest.mark.parametrize("ending", IMAGES)
def test_images(scene: Scene, ending: str, spoil: Write) -> None:
    def files(release: Path, case: str) -> None:
        (release / "images").mkdir(parents=True, exist_ok=True)
        IMAGES[ending](release / "images" / f"{case}.{ending}")
        save_png(MASK, release / "masks" / f"{case}.png")

    changes: dict[str, Any] = {"channels": ["R", "G", "B"]} if ending in ("svs", "gif") else {}
    scene.make(files, layout={**SPEC["layout"], "image": f"images/{{case}}.{ending}"}, **changes)
    held = "raw" if ending == "mhd" and spoil is cut else ending
    scene.refuses(lambda release: spoil(release / "images" / f"case_3.{held}"), f"images/case_3.{ending}")


DDTI = (
    "<case><mark><image>1</image><svg>"
    '[{"points": [{"x": 1, "y": 1}, {"x": 9, "y": 1}, {"x": 9, "y": 9}], "regionType": "freehand"}]'
    "</svg></mark></case>"
)
LABELME = {"shapes": [{"label": "nodule", "shape_type": "polygon", "points": [[1, 1], [9, 1], [9, 9]]}]}
OUTLINES: dict[str, tuple[str, bytes, str]] = {
    "ddti": ("xml", DDTI.encode(), "freehand"),
    "inbreast": ("xml", plistlib.dumps(INBREAST), "Mass"),
    "labelme": ("json", json.dumps(LABELME).encode(), "nodule"),
}


@pytest.mark.parametrize("spoil", [cut, page])
@pytest.mark.parametrize("kind", OUTLINES)
def test_outlines(scene: Scene, kind: str, spoil: Write) -> None:
    ending, content, name = OUTLINES[kind]

    def files(release: Path, case: str) -> None:
        pictures(release, case)
        (release / f"{case}.{ending}").write_bytes(content)

    annotation = {"kind": "outlines", "file": f"{{case}}.{ending}", "format": kind, "names": {name: "organ"}}
    ignored = {"ignore": ["", "Calcification"]} if kind == "inbreast" else {}
    scene.make(files, annotation=annotation | ignored, steps={})
    scene.refuses(lambda release: spoil(release / f"case_3.{ending}"), f"case_3.{ending}")


@pytest.mark.parametrize("spoil", [cut, page])
def test_pascal_voc(scene: Scene, spoil: Write) -> None:
    def files(release: Path, case: str) -> None:
        pictures(release, case)
        (release / f"{case}.xml").write_text(VOC)

    annotation = {"kind": "boxes", "file": "{case}.xml", "format": "voc", "names": {"RBC": "cell"}}
    scene.make(files, task="detection", labels={"cell": 0}, steps={}, annotation=annotation)
    scene.refuses(lambda release: spoil(release / "case_3.xml"), "case_3.xml")


@pytest.mark.parametrize("spoil", [cut, page])
def test_hdf5(scene: Scene, spoil: Write) -> None:
    def files(release: Path, case: str) -> None:
        release.mkdir(exist_ok=True)
        with h5py.File(release / "a.h5", "w") as file:
            file["images"], file["labels"] = np.stack([PIXELS] * 6), np.stack([MASK] * 6)

    part = {"image": "images", "label": "labels"}
    layout = {"kind": "arrays", "folder": "release", "cases": 6, "file": "a.h5", "parts": [part], "case": "{index}"}
    scene.make(files, layout=layout, annotation={"kind": "label_map"})
    scene.refuses(lambda release: spoil(release / "a.h5"), "a.h5", kept=0)


@pytest.mark.parametrize("spoil", [cut, page])
def test_one_of_several_masks(scene: Scene, spoil: Write) -> None:
    def files(release: Path, case: str) -> None:
        for name in ("left", "right"):
            save_png(MASK, release / "masks" / f"{case}_{name}.png")
        save_png(PIXELS, release / "images" / f"{case}.png")

    annotation = {"kind": "masks", "file": "masks/{case}_{mask:left|right}.png", "names": {"left|right": "organ"}}
    scene.make(files, annotation=annotation)
    scene.refuses(lambda release: spoil(release / "masks/case_3_right.png"), "masks/case_3_right.png")
