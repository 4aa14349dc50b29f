"""Stacks of pictures, NPY files and whole slides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from rasd_nnu.dataset_specs.formats import npy
from rasd_nnu.dataset_specs.formats.registry import read_picture
from rasd_nnu.dataset_specs.formats.slide import open_slide, read
from rasd_nnu.errors import DatasetError

STACK = np.arange(12 * 5 * 7, dtype=np.uint16).reshape(12, 5, 7)
SLIDE = np.random.default_rng(0).integers(0, 255, (192, 256, 3), dtype=np.uint8)


def save_stack(folder: Path, volume: np.ndarray) -> Path:
    folder.mkdir(exist_ok=True)
    for number, plane in enumerate(volume, start=1):
        Image.fromarray(plane).save(folder / f"liver_GT_{number}.png")
    return folder


def test_stack_follows_the_numbers(tmp_path: Path) -> None:
    picture = read_picture(save_stack(tmp_path / "ground", STACK))
    assert np.array_equal(picture.array[0], STACK)
    assert not picture.spacing_known


def test_stack_with_a_given_spacing(tmp_path: Path) -> None:
    picture = read_picture(save_stack(tmp_path, STACK), "stack", spacing_mm=(0.5, 0.6, 3.0))
    assert picture.geometry.spacing_mm == (0.5, 0.6, 3.0)


def test_slice_of_another_size(tmp_path: Path) -> None:
    folder = save_stack(tmp_path, STACK)
    Image.fromarray(STACK[0, :4]).save(folder / "liver_GT_7.png")
    with pytest.raises(DatasetError, match=r"liver_GT_7\.png is 7x4 with 1 channel.* but liver_GT_1\.png 7x5"):
        read_picture(folder)


def test_empty_folder_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no picture"):
        read_picture(tmp_path, "stack")
    with pytest.raises(DatasetError, match="nowhere is no folder"):
        read_picture(tmp_path / "nowhere", "stack")


def test_stack_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="claims 12x1x1x5x7 values"):
        read_picture(save_stack(tmp_path, STACK), "stack", max_bytes=100)


def test_npy(tmp_path: Path) -> None:
    np.save(tmp_path / "0000.npy", STACK)
    assert np.array_equal(read_picture(tmp_path / "0000.npy").array[0], STACK)
    np.save(tmp_path / "flat.npy", STACK[0])
    assert np.array_equal(npy.read(tmp_path / "flat.npy").array[0, 0], STACK[0])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{"a": 1}], dtype=object), "cannot read .*a.npy"),
        (np.zeros((2, 2, 2, 2)), r"holds float64 of shape \(2, 2, 2, 2\)"),
        (np.array([["a"]]), "expected numbers"),
        (np.zeros((2, 2), np.complex64), "expected numbers"),
        (np.zeros((0, 3)), "claims the size 0x3"),
    ],
)
def test_npy_of_another_kind(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(DatasetError, match=message):
        npy.read(tmp_path / "a.npy")


def test_npy_that_claims_more_than_it_has(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", STACK)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(12, 5, 7)", b"(90000, 90000, 9999)".ljust(10)))
    with pytest.raises(DatasetError, match=r"cannot read .*a\.npy"):
        npy.read(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(content[:-50])
    with pytest.raises(DatasetError, match=r"cannot read .*a\.npy"):
        npy.read(tmp_path / "a.npy")


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """A slide as Aperio writes it: tiles, a smaller level, and the pixel size in the description."""
    description = "Aperio Image Library v11.2.1\n256x192 -> 256x192|AppMag = 40|MPP = 0.25"
    options = {"tile": (64, 64), "photometric": "rgb", "compression": "zlib", "metadata": None}
    with tifffile.TiffWriter(tmp_path / "a.svs") as writer:
        writer.write(SLIDE, description=description, **options)
        writer.write(SLIDE[::4, ::4], description=description, photometric="rgb", metadata=None)  # thumbnail
        writer.write(SLIDE[::2, ::2], description=description, **options)
    return tmp_path / "a.svs"


def test_slide_as_a_whole(slide: Path) -> None:
    picture = read_picture(slide)
    assert np.array_equal(picture.array[:, 0], np.moveaxis(SLIDE, -1, 0))
    assert picture.geometry.spacing_mm == pytest.approx((0.00025, 0.00025, 1))
    assert picture.spacing_known


def test_slide_at_a_coarser_level(slide: Path) -> None:
    picture = read(slide, level=1)
    assert np.array_equal(picture.array[:, 0], np.moveaxis(SLIDE[::2, ::2], -1, 0))
    assert picture.geometry.spacing_mm[0] == pytest.approx(0.0005)
    with pytest.raises(DatasetError, match=r"has 2 level\(s\), but level 2 is asked for"):
        read(slide, level=2)


@pytest.mark.parametrize("level", [0, 1])
def test_tiles_cover_the_slide(slide: Path, level: int) -> None:
    expected = SLIDE[:: 2**level, :: 2**level]
    seen = np.zeros_like(expected)
    with open_slide(slide, level) as opened:
        for window in opened.windows(100, overlap=8):
            top, left, height, width = window.top, window.left, window.height, window.width
            assert (max(height, width), window.scale) == (100, 2**level)
            tile = read(slide, level=level, part=(top, left, height, width))
            assert tile.geometry.origin_mm[0] == pytest.approx(left * 0.00025 * 2**level)
            seen[top : top + height, left : left + width] = np.moveaxis(tile.array[:, 0], 0, -1)
    assert np.array_equal(seen, expected)


def test_part_outside_the_slide(slide: Path) -> None:
    with (
        open_slide(slide) as opened,
        pytest.raises(DatasetError, match=r"the part 10x10 at \(250, 0\) leaves the slide of 256x192"),
    ):
        opened.part(0, 250, 10, 10)


def test_slide_that_is_too_large(slide: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.svs: the header claims 192x256x3 values"):
        read(slide, max_bytes=1000)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_truncated_slide(slide: Path, share: float) -> None:
    slide.write_bytes(slide.read_bytes()[: int(share * slide.stat().st_size)])
    with pytest.raises(DatasetError, match=r"cannot read .*a\.svs"):
        read(slide)
