from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from rasd_nnu.dataset_specs.formats.dicom_series import read
from rasd_nnu.dataset_specs.formats.registry import read_picture
from rasd_nnu.errors import DatasetError
from tests.dataset_specs.formats.dicom_files import save, save_series, slice_data

VOLUME = np.arange(5 * 6 * 8, dtype=np.int16).reshape(5, 6, 8)
HU = {"RescaleSlope": 1, "RescaleIntercept": -1024}


def test_slices_are_ordered_by_position(tmp_path: Path) -> None:
    picture = read_picture(save_series(tmp_path / "ct", VOLUME, **HU))
    assert np.array_equal(picture.array[0], VOLUME - 1024)
    assert picture.array.dtype == np.int16
    assert picture.geometry.spacing_mm == pytest.approx((0.5, 1.5, 3))
    assert picture.geometry.origin_mm == (-10, 20, 30)


def test_agrees_with_simpleitk(tmp_path: Path) -> None:
    """An oblique series: x leads to posterior, y to inferior, so the slices follow one another to the right."""
    turned = {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
    folder = save_series(tmp_path, VOLUME, step=(-2, 0, 0), **turned)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    other, picture = reader.Execute(), read(folder)
    assert np.array_equal(picture.array[0], sitk.GetArrayFromImage(other))
    assert picture.geometry.spacing_mm == pytest.approx(other.GetSpacing())
    assert picture.geometry.origin_mm == pytest.approx(other.GetOrigin())
    assert picture.geometry.direction == pytest.approx(other.GetDirection())


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    folder = save_series(tmp_path, VOLUME)
    (folder / "._image_00").write_bytes(b"macOS")
    (folder / "DICOMDIR").write_bytes(b"index")
    assert read(folder).shape == VOLUME.shape


def test_slope_of_each_slice_is_its_own(tmp_path: Path) -> None:
    for z in range(3):
        save(slice_data(VOLUME[0], (0, 0, z), RescaleSlope=z + 1, RescaleIntercept=0), tmp_path / str(z))
    assert [int(plane.max()) for plane in read(tmp_path).array[0]] == [47, 94, 141]


def test_single_slice_has_its_thickness(tmp_path: Path) -> None:
    assert read(save_series(tmp_path, VOLUME[:1])).geometry.spacing_mm[2] == 3


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_missing_slice_is_refused(tmp_path: Path, missing: int) -> None:
    folder = save_series(tmp_path, VOLUME)
    (folder / f"image_{missing * 7 % 11:02d}").unlink()
    with pytest.raises(DatasetError, match=r"are 6 mm apart, the others 3 mm; a slice is missing"):
        read(folder)


def test_doubled_slice_is_refused(tmp_path: Path) -> None:
    folder = save_series(tmp_path, VOLUME)
    shutil.copy(folder / "image_07", folder / "copy")
    with pytest.raises(DatasetError, match=r"copy and image_07 lie at the same place|image_07 and copy lie at"):
        read(folder)


def test_mixed_series_are_refused_or_chosen(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME, SeriesInstanceUID="1.2.3")
    save(slice_data(VOLUME[0], SeriesInstanceUID="1.2.4"), tmp_path / "scout")
    with pytest.raises(DatasetError, match=r"mixes 2 series: 1\.2\.3 \(5 files\), 1\.2\.4 \(1 files\)\. Move the one"):
        read(tmp_path)
    assert read(tmp_path, series_uid="1.2.3").shape == VOLUME.shape
    with pytest.raises(DatasetError, match=r"holds no series 1\.2\.5; it holds 1\.2\.3, 1\.2\.4"):
        read(tmp_path, series_uid="1.2.5")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"PixelSpacing": [1, 1]}, r"odd has the pixel spacing \(1\.0, 1\.0\), but image_\d\d \(1\.5, 0\.5\)"),
        ({"ImageOrientationPatient": [0, 1, 0, 0, 0, 1]}, "odd has the orientation"),
        ({"ImagePositionPatient": None}, "odd has no usable ImagePositionPatient"),
        ({"ImageOrientationPatient": None}, "odd has no usable ImageOrientationPatient"),
        ({"PixelSpacing": [0, 1]}, "odd has the PixelSpacing"),
    ],
)
def test_slice_that_does_not_belong(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    save_series(tmp_path, VOLUME)
    save(slice_data(VOLUME[0], (-10, 20, 45), **changes), tmp_path / "odd")
    with pytest.raises(DatasetError, match=message):
        read(tmp_path)


def test_slice_of_another_size(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    save(slice_data(VOLUME[0, :4], (-10, 20, 45)), tmp_path / "odd")
    with pytest.raises(DatasetError, match=r"odd has 4x8 pixels, but image_\d\d 6x8"):
        read(tmp_path)


def test_gantry_tilt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"the slices shift by 16 pixels \(gantry tilt\)"):
        read(save_series(tmp_path, VOLUME, step=(0, 2, 3)))


def test_other_files_in_the_folder(tmp_path: Path) -> None:
    save_series(tmp_path, VOLUME)
    (tmp_path / "readme.txt").write_text("hello")
    with pytest.raises(DatasetError, match=r"cannot read .*readme\.txt"):
        read(tmp_path)


def test_truncated_slice(tmp_path: Path) -> None:
    folder = save_series(tmp_path, VOLUME)
    content = (folder / "image_07").read_bytes()
    (folder / "image_07").write_bytes(content[:-20])
    with pytest.raises(DatasetError, match="image_07"):
        read(folder)


def test_no_folder_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere is no folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="holds no file"):
        read(tmp_path)


def test_largest_size_can_be_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="claims 5x6x8 values"):
        read(save_series(tmp_path, VOLUME), max_bytes=100)
