from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.pixels.decoders import RLELosslessDecoder
from pydicom.uid import RLELossless

from rasd_nnu.dataset_specs.formats.dicom import read
from rasd_nnu.dataset_specs.formats.registry import read_picture
from rasd_nnu.errors import DatasetError, SetupError
from tests.dataset_specs.formats.dicom_files import save, slice_data

PIXELS = np.arange(32 * 24, dtype=np.uint16).reshape(32, 24)


@pytest.mark.parametrize("name", ["a.dcm", "A.DCM", "a.dicom", "image_1"])
def test_pixels_and_spacing(tmp_path: Path, name: str) -> None:
    picture = read_picture(save(slice_data(PIXELS), tmp_path / name))
    assert np.array_equal(picture.array[0, 0], PIXELS)
    assert picture.array.dtype == np.uint16
    assert picture.geometry.spacing_mm == (0.5, 1.5, 1.0)  # PixelSpacing is rows first
    assert picture.spacing_known


def test_spacing_of_the_detector_is_taken_where_there_is_no_other(tmp_path: Path) -> None:
    file = save(slice_data(PIXELS, PixelSpacing=None, ImagerPixelSpacing=[0.07, 0.07]), tmp_path / "a.dcm")
    assert read(file).geometry.spacing_mm == (0.07, 0.07, 1.0)
    assert not read(save(slice_data(PIXELS, PixelSpacing=None), tmp_path / "b.dcm")).spacing_known


@pytest.mark.parametrize("signed", [False, True])
def test_monochrome1_is_inverted(tmp_path: Path, signed: bool) -> None:
    pixels = (PIXELS.astype(np.int16) - 400) if signed else PIXELS
    bits = {"BitsStored": 12, "HighBit": 11, "PhotometricInterpretation": "MONOCHROME1"}
    array = read(save(slice_data(pixels, **bits), tmp_path / "a.dcm")).array[0, 0]
    assert np.array_equal(array, -1 - pixels if signed else 4095 - pixels)


def test_rescale_to_whole_and_to_fractional_values(tmp_path: Path) -> None:
    whole = read(save(slice_data(PIXELS, RescaleSlope=1, RescaleIntercept=-1024), tmp_path / "a.dcm"))
    assert whole.array.dtype == np.int16
    assert np.array_equal(whole.array[0, 0], PIXELS.astype(int) - 1024)
    part = read(save(slice_data(PIXELS, RescaleSlope=0.5, RescaleIntercept=0.25), tmp_path / "b.dcm"))
    assert part.array.dtype == np.float32
    assert np.array_equal(part.array[0, 0], PIXELS * 0.5 + 0.25)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_recommended_window_is_applied_on_request(tmp_path: Path, photometric: str) -> None:
    window = {"WindowCenter": 300, "WindowWidth": 101, "PhotometricInterpretation": photometric}
    array = read(save(slice_data(PIXELS, **window), tmp_path / "a.dcm"), voi=True).array.ravel()
    bright, dark = (0, 700) if photometric == "MONOCHROME1" else (700, 0)
    assert array[bright] == array.max() and array[dark] == array.min()
    assert array.min() < array[300] < array.max()


def test_colours(tmp_path: Path) -> None:
    rgb = np.stack([PIXELS % 251, PIXELS % 241, PIXELS % 239], axis=-1).astype(np.uint8)
    array = read(save(slice_data(rgb), tmp_path / "a.dcm")).array
    assert np.array_equal(array[:, 0], np.moveaxis(rgb, -1, 0))


def test_compressed_pixels(tmp_path: Path) -> None:
    data = slice_data(PIXELS)
    data.compress(RLELossless)
    assert np.array_equal(read(save(data, tmp_path / "a.dcm")).array[0, 0], PIXELS)


def test_missing_decoder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = slice_data(PIXELS)
    data.compress(RLELossless)
    file = save(data, tmp_path / "a.dcm")
    for plugin in list(RLELosslessDecoder.available_plugins):
        monkeypatch.delitem(RLELosslessDecoder._available, plugin)
    with pytest.raises(SetupError, match=r"a\.dcm is compressed as RLE Lossless, for which no decoder .* pip install"):
        read(file)


def test_damaged_compressed_pixels(tmp_path: Path) -> None:
    data = slice_data(PIXELS)
    data.compress(RLELossless)
    data.PixelData = data.PixelData.replace(data.PixelData[16:80], bytes(64))
    with pytest.raises(DatasetError, match=r"cannot read .*a\.dcm: .* get it again from the official site"):
        read(save(data, tmp_path / "a.dcm"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"NumberOfFrames": 3}, "has 3 frames; expected one"),
        ({"PixelSpacing": None, "PixelAspectRatio": [2, 1]}, "pixels are not square"),
        ({"PixelSpacing": [0, 1]}, "expected two positive numbers"),
        ({"PixelData": None}, "cannot be all of it"),
        ({"Rows": None}, "without an image"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "stores colours by a palette"),
        ({"Rows": 65535, "Columns": 65535}, r"claims 65535x65535x1 values, 8 GB, but the file holds"),
    ],
)
def test_bad_file(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DatasetError, match=rf"a\.dcm.*{message}"):
        read(save(slice_data(PIXELS, **changes), tmp_path / "a.dcm"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.99])
def test_truncated_file(tmp_path: Path, share: float) -> None:
    file = save(slice_data(PIXELS), tmp_path / "a.dcm")
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(DatasetError, match=r"a\.dcm"):
        read(file)


def test_what_is_no_dicom(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_text("<html>")
    with pytest.raises(DatasetError, match=r"cannot read .*a\.dcm"):
        read(tmp_path / "a.dcm")
