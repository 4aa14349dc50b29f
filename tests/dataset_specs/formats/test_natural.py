from __future__ import annotations

import gzip
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from rasd_nnu.dataset_specs.formats.natural import read
from rasd_nnu.dataset_specs.formats.registry import read_picture
from rasd_nnu.errors import DatasetError

GREY = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)
RGB = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=-1)
DEEP = (np.arange(12 * 16, dtype=np.uint16) * 300).reshape(12, 16)


@pytest.mark.parametrize("ending", ["png", "bmp", "gif", "pgm"])
def test_grey_of_8_bit(tmp_path: Path, ending: str) -> None:
    Image.fromarray(GREY).save(tmp_path / f"a.{ending}")
    picture = read_picture(tmp_path / f"a.{ending}")
    grey = picture.array[0] if picture.channels == 1 else picture.array[1]
    assert picture.array.dtype == np.uint8
    assert np.array_equal(grey[0], GREY)
    assert not picture.spacing_known and picture.is_2d


@pytest.mark.parametrize("ending", ["PNG", "bmp", "ppm"])
def test_colours_of_8_bit(tmp_path: Path, ending: str) -> None:
    Image.fromarray(RGB).save(tmp_path / f"a.{ending}")
    assert np.array_equal(read_picture(tmp_path / f"a.{ending}").array[:, 0], np.moveaxis(RGB, -1, 0))


def test_jpeg(tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    Image.fromarray(flat).save(tmp_path / "a.JPG", quality=95)
    assert np.abs(read_picture(tmp_path / "a.JPG").array[:, 0].mean(axis=(1, 2)) - (200, 100, 50)).max() < 3


@pytest.mark.parametrize("ending", ["png", "pgm"])
def test_grey_of_16_bit(tmp_path: Path, ending: str) -> None:
    if ending == "png":
        Image.fromarray(DEEP).save(tmp_path / "a.png")
    else:
        (tmp_path / "a.pgm").write_bytes(b"P5\n16 12\n65535\n" + DEEP.astype(">u2").tobytes())
    picture = read_picture(tmp_path / f"a.{ending}")
    assert picture.array.dtype == np.uint16
    assert np.array_equal(picture.array[0, 0], DEEP)


@pytest.mark.parametrize("samples", [3, 4])
def test_colours_of_16_bit_keep_their_depth(tmp_path: Path, samples: int) -> None:
    deep = np.stack([DEEP, DEEP[::-1], DEEP[:, ::-1], DEEP], axis=-1)[..., :samples]
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.ascontiguousarray(deep)))
    picture = read(tmp_path / "a.png")
    assert picture.array.dtype == np.uint16
    assert np.array_equal(picture.array[:, 0], np.moveaxis(deep[..., :3], -1, 0))


def test_gzipped_ppm_with_a_comment(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "im0001.ppm.gz", "wb") as stream:
        stream.write(b"P6\n# written by a scanner\n16 12\n255\n" + RGB.tobytes())
    assert np.array_equal(read_picture(tmp_path / "im0001.ppm.gz").array[:, 0], np.moveaxis(RGB, -1, 0))


def test_gzip_bomb_is_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.ppm.gz", "wb") as stream:
        stream.write(bytes(100_000))
    with pytest.raises(DatasetError, match=r"a\.ppm\.gz unpacks to more than 1000 bytes"):
        read(tmp_path / "a.ppm.gz", max_bytes=1000)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RGB if mode == "RGBA" else GREY)
    image.putalpha(Image.fromarray(np.zeros_like(GREY)))
    image.save(tmp_path / "a.png")
    expected = np.moveaxis(RGB, -1, 0) if mode == "RGBA" else GREY[None]
    assert np.array_equal(read(tmp_path / "a.png").array[:, 0], expected)


def test_palette_gives_colours_or_indices(tmp_path: Path) -> None:
    indices = (GREY % 3).astype(np.uint8)
    image = Image.fromarray(indices, mode="P")
    image.putpalette([0, 64, 128, 64, 128, 0, 243, 152, 0])
    image.save(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path / "a.png", palette="index").array[0, 0], indices)
    colours = read(tmp_path / "a.png").array[:, 0]
    assert colours[:, 0, 1].tolist() == [64, 128, 0]


def test_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(GREY > 90).save(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path / "a.png").array[0, 0] > 0, GREY > 90)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # turn clockwise by a quarter
    Image.fromarray(np.pad(np.full((16, 8), 255, np.uint8), ((0, 0), (0, 24)))).save(tmp_path / "a.jpg", exif=exif)
    array = read(tmp_path / "a.jpg").array[0, 0]
    assert array.shape == (32, 16)
    assert array[:6].min() > 200 and array[12:].max() < 50


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_oblong_pixels_need_a_spacing(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"a.{ending}"
    Image.fromarray(GREY).save(file, dpi=(100, 50))
    with pytest.raises(DatasetError, match=r"a\.\w+ says that its pixels are not square .* spacing_mm"):
        read(file)
    picture = read(file, spacing_mm=(0.25, 0.5))
    assert picture.spacing_known
    assert picture.geometry.spacing_mm == (0.25, 0.5, 1.0)


def test_square_resolution_is_no_spacing(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png", dpi=(72, 72))
    assert not read(tmp_path / "a.png").spacing_known


def test_animation_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(GREY[::-1])]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(DatasetError, match=r"a\.gif has 2 frames, expected one"):
        read(tmp_path / "a.gif")


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp"])
def test_truncated_file(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"a.{ending}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32), dtype=np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(DatasetError, match=rf"cannot read .*a\.{ending}: .* get it again from the official site"):
        read(file)


def test_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(DatasetError, match=r"cannot read .*a\.png"):
        read(tmp_path / "a.png")


def test_absurd_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5\n1000000 1000000\n255\n" + bytes(100))
    with pytest.raises(DatasetError, match=r"a\.pgm"):
        read(tmp_path / "a.pgm")
