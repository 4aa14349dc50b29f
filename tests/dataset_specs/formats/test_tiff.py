from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from rasd_nnu.dataset_specs.formats.registry import read_picture
from rasd_nnu.errors import DatasetError

GREY = np.arange(32 * 48, dtype=np.uint16).reshape(32, 48)
RGB = np.stack([GREY % 251, GREY % 241, GREY % 239], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_grey_of_16_bit(tmp_path: Path, compression: str | None) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression=compression)
    picture = read_picture(tmp_path / "a.tif")
    assert picture.array.dtype == np.uint16
    assert np.array_equal(picture.array[0, 0], GREY)
    assert not picture.spacing_known


@pytest.mark.parametrize("planar", [None, "separate"])
def test_colours(tmp_path: Path, planar: str | None) -> None:
    pixels = RGB if planar is None else np.moveaxis(RGB, -1, 0)
    tifffile.imwrite(tmp_path / "a.tiff", pixels, photometric="rgb", planarconfig=planar)
    assert np.array_equal(read_picture(tmp_path / "a.tiff").array[:, 0], np.moveaxis(RGB, -1, 0))


def test_alpha_is_dropped(tmp_path: Path) -> None:
    rgba = np.dstack([RGB, np.zeros_like(RGB[..., 0])])
    tifffile.imwrite(tmp_path / "a.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    assert np.array_equal(read_picture(tmp_path / "a.tif").array[:, 0], np.moveaxis(RGB, -1, 0))


def test_spacing_is_given_not_read(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY, resolution=(72, 72))
    assert read_picture(tmp_path / "a.tif", spacing_mm=(0.1, 0.2)).geometry.spacing_mm == (0.1, 0.2, 1.0)


def test_several_pages_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([GREY] * 4), metadata=None, photometric="minisblack")
    with pytest.raises(DatasetError, match=r"a\.tif holds .* expected one picture"):
        read_picture(tmp_path / "a.tif")


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", GREY.astype(np.complex64))
    with pytest.raises(DatasetError, match=r"a\.tif holds numbers of the type complex64"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_truncated_file(tmp_path: Path, share: float, compression: str | None) -> None:
    file = tmp_path / "a.tif"
    tifffile.imwrite(
        file, np.random.default_rng(0).integers(0, 60000, (64, 64)).astype(np.uint16), compression=compression
    )
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(DatasetError, match=r"cannot read .*a\.tif"):
        read_picture(file)


def test_absurd_size_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, GREY)
    with tifffile.TiffFile(file, mode="r+b") as tiff:
        for name in ("ImageWidth", "ImageLength"):
            tiff.pages[0].tags[name].overwrite(2**30)
    with pytest.raises(DatasetError, match=r"a\.tif"):
        read_picture(file)
