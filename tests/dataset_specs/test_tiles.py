"""Whole slides, pyramidal TIFFs made here, from a folder to cases that are tiles."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from rasd_nnu.dataset_specs.convert import convert
from rasd_nnu.dataset_specs.layouts.find import find_cases
from rasd_nnu.dataset_specs.prepare import prepare
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.errors import DatasetError
from tests.dataset_specs.bad_input import SPEC
from tests.dataset_specs.fixtures.pathology import aperio

SIZE = (160, 224)
SLIDES = [f"s{number}" for number in range(1, 6)]
BOX = (100, 90, 139, 129)  # left, top, right, bottom, both ends inside
OUTLINES = {"kind": "outlines", "file": "{slide}.xml", "format": "aperio", "names": {"Organ": "organ"}}
MAPS = {"kind": "label_map", "file": "{slide}_mask.tif"}


def spec_of(annotation: dict[str, Any], tiles: dict[str, Any], **changes: Any) -> DatasetSpec:
    layout = {"kind": "files", "folder": "release", "cases": 5, "image": "{slide}.svs", "case": "{slide}"}
    own = {
        "layout": {**layout, "tiles": tiles},
        "channels": ["R", "G", "B"],
        "annotation": annotation,
        "steps": {},
        "group": {"by": "{slide}", "why": "one slide a patient"},
    }
    return DatasetSpec.model_validate({**SPEC, **own, **changes})


def slide_of(name: str) -> np.ndarray:
    return np.random.default_rng(int(name[1:])).integers(0, 256, (*SIZE, 3)).astype(np.uint8)


def truth_at(level: int) -> np.ndarray:
    """The box as a label map at a level of the pyramid."""
    left, top, right, bottom = BOX
    truth = np.zeros(SIZE, np.uint8)
    truth[top : bottom + 1, left : right + 1] = 1
    return truth[:: 2**level, :: 2**level]


def write_pyramid(file: Path, pixels: np.ndarray, **options: Any) -> None:
    """Write full and half resolution in tiles, as scanners do."""
    with tifffile.TiffWriter(file) as writer:
        for step in (1, 2):
            writer.write(pixels[::step, ::step], tile=(64, 64), compression="zlib", metadata=None, **options)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "release"
    folder.mkdir()
    for name in SLIDES:
        write_pyramid(folder / f"{name}.svs", slide_of(name), photometric="rgb", description="Aperio|MPP = 0.25")
        write_pyramid(folder / f"{name}_mask.tif", truth_at(0))
        (folder / f"{name}.xml").write_text(aperio([("Organ", 1, BOX)]))
    return folder


def parts_of(case: str) -> tuple[str, int, int]:
    slide, top, left = case.split("_")
    return slide, int(top[1:]), int(left[1:])


@pytest.mark.parametrize("annotation", [OUTLINES, MAPS], ids=["outlines", "label maps"])
@pytest.mark.parametrize("level", [0, 1])
def test_tiles_are_what_the_slide_has_there(
    release: Path, tmp_path: Path, annotation: dict[str, Any], level: int
) -> None:
    spec = spec_of(annotation, {"size": 48, "overlap": 8, "level": level})
    prepared = prepare(spec, release, tmp_path / "raw")
    assert len(prepared.cases) == 5 * (4 * 6 if level == 0 else 2 * 3)
    seen = np.zeros((5, *truth_at(level).shape), bool)
    for case in prepared.cases:
        slide, top, left = parts_of(case)
        place = (slice(top, top + 48), slice(left, left + 48))
        image = np.asarray(Image.open(prepared.path / "imagesTr" / f"{case}_0000.png"))
        label = np.asarray(Image.open(prepared.path / "labelsTr" / f"{case}.png"))
        np.testing.assert_array_equal(image, slide_of(slide)[:: 2**level, :: 2**level][place])
        np.testing.assert_array_equal(label, truth_at(level)[place])
        seen[(SLIDES.index(slide), *place)] = True
    assert seen.all()
    for fold in json.loads((prepared.path / "splits_final.json").read_text()):
        sides = [{parts_of(case)[0] for case in fold[side]} for side in ("train", "val")]
        assert not sides[0] & sides[1]
    assert prepare(spec, release, tmp_path / "raw").converted == 0


@pytest.mark.parametrize("annotation", [OUTLINES, MAPS], ids=["outlines", "label maps"])
def test_only_annotated_tiles(release: Path, annotation: dict[str, Any]) -> None:
    cases = find_cases(spec_of(annotation, {"size": 32, "keep": "annotated"}), release)
    kept = {parts_of(case.case)[1:] for case in cases}
    assert kept == {(top, left) for top in (64, 96, 128) for left in (96, 128)}
    assert len(cases) == 5 * len(kept)


def test_boxes_are_cut_at_the_borders_of_tiles(release: Path, tmp_path: Path) -> None:
    entries = [{"id": at, "image_id": at, "category_id": 1, "bbox": [100, 90, 40, 40]} for at in range(5)]
    images = [{"id": at, "file_name": f"{name}.svs"} for at, name in enumerate(SLIDES)]
    (release / "boxes.json").write_text(json.dumps({"images": images, "categories": [], "annotations": entries}))
    boxes = {"kind": "boxes", "file": "boxes.json", "format": "coco", "names": {"1": "organ"}}
    spec = spec_of(boxes, {"size": 64, "keep": "annotated"}, task="detection", labels={"organ": 0})
    prepared = prepare(spec, release, tmp_path / "raw")
    content = json.loads((prepared.path / "boxes.json").read_text())
    cases = {entry["id"]: entry["case"] for entry in content["images"]}
    found = {cases[entry["image_id"]]: entry["bbox"] for entry in content["annotations"]}
    assert {case[3:]: box for case, box in found.items() if case.startswith("s3")} == {
        "y000064_x000064": [36, 26, 28, 38],
        "y000064_x000128": [0, 26, 12, 38],
        "y000096_x000064": [36, 0, 28, 34],
        "y000096_x000128": [0, 0, 12, 34],
    }


def test_label_map_of_another_size(release: Path) -> None:
    write_pyramid(release / "s3_mask.tif", truth_at(0)[:-2])
    with pytest.raises(DatasetError, match=r"s3_mask\.tif has \(158, 224\) pixels .*s3\.svs \(160, 224\)\. Check"):
        find_cases(spec_of(MAPS, {"size": 64}), release)


def test_slide_that_is_cut_off(release: Path, tmp_path: Path) -> None:
    """Tiles that can still be read stay; nothing of the others is left."""
    content = (release / "s3.svs").read_bytes()
    (release / "s3.svs").write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=r"cannot read .*s3\.svs.*get it again"):
        prepare(spec_of(OUTLINES, {"size": 64}), release, tmp_path / "raw")


def test_no_tile_is_annotated(release: Path) -> None:
    for name in SLIDES:
        (release / f"{name}.xml").write_text(aperio([]))
    with pytest.raises(DatasetError, match=r"none of the tiles of 5 slide\(s\) is annotated"):
        find_cases(spec_of(OUTLINES, {"size": 64, "keep": "annotated"}), release)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group": {"by": "case", "why": "none"}}, "tiles of a slide must stay together: group by '{slide}'"),
        ({"annotation": {"kind": "masks", "file": "{slide}_{mask}.tif"}}, "annotation 'masks' does not fit tiles"),
        ({"annotation": {**MAPS, "options": {"level": 1}}}, "label maps of tiles are read as slides"),
    ],
    ids=["group", "masks", "options"],
)
def test_what_tiles_do_not_allow(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec_of(changes.pop("annotation", OUTLINES), {"size": 64}, **changes)


@pytest.mark.parametrize("tiles", [{"size": 64, "overlap": 64}, {"size": 8}, {"size": 64, "keep": "some"}])
def test_tiles_that_make_no_sense(tiles: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tiles"):
        spec_of(OUTLINES, tiles)


def test_memory_does_not_grow_with_the_slide(tmp_path: Path) -> None:
    """A slide of 79 MB, written and read tile by tile, needs a few tiles' worth of memory."""
    (tmp_path / "release").mkdir()

    def blocks(count: int) -> Iterator[np.ndarray]:
        return (np.full((512, 512, 3), at % 256, np.uint8) for at in range(count))

    side = 10 * 512
    with tifffile.TiffWriter(tmp_path / "release" / "s1.svs") as writer:
        options = {"tile": (512, 512), "compression": "zlib", "photometric": "rgb", "metadata": None}
        writer.write(blocks(10 * 10), shape=(side, side, 3), dtype=np.uint8, **options)
    (tmp_path / "release" / "s1.xml").write_text(aperio([("Organ", 1, BOX)]))
    spec = spec_of(OUTLINES, {"size": 512})
    cases = find_cases(spec, tmp_path)
    tracemalloc.start()
    try:
        values = [int(convert(spec, case).image.array[0, 0, 0, 0]) for case in cases]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert values == [at % 256 for at in range(10 * 10)]
    assert peak < 10 * 512 * 512 * 3
