from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO

from rasd_nnu.dataset_specs.formats.nifti import read
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.dataset_specs.formats.write import write_nifti, write_png
from rasd_nnu.errors import DatasetError

PLACE = Geometry((0.5, 1.5, 3), (-10, 20, 30), (0, -1, 0, 1, 0, 0, 0, 0, 1))


def picture_of(array: np.ndarray) -> Picture:
    return Picture(array, PLACE, Path("source"))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.int32])
def test_nifti_is_what_nnunet_reads(tmp_path: Path, voxels: np.ndarray, dtype: type) -> None:
    picture = picture_of(np.stack([voxels, voxels + 1]).astype(dtype))
    write_nifti(picture, 1, tmp_path / "a.nii.gz")
    array, properties = SimpleITKIO().read_images([str(tmp_path / "a.nii.gz")])
    assert np.array_equal(array[0], voxels + 1)
    stored = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    assert stored.GetSpacing() == pytest.approx(PLACE.spacing_mm)
    assert stored.GetOrigin() == pytest.approx(PLACE.origin_mm)
    assert stored.GetDirection() == pytest.approx(PLACE.direction)
    assert list(properties["spacing"]) == pytest.approx(PLACE.spacing_mm[::-1])
    again = read(tmp_path / "a.nii.gz")
    assert again.array.dtype == dtype
    assert again.geometry.affine == pytest.approx(PLACE.affine)


def test_same_picture_gives_the_same_bytes(tmp_path: Path, voxels: np.ndarray) -> None:
    for name in ("a", "b"):
        write_nifti(picture_of(voxels[None] > 3), 0, tmp_path / f"{name}.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (1, np.uint16), (3, np.uint8)])
def test_png_is_what_nnunet_reads(tmp_path: Path, channels: int, dtype: type) -> None:
    array = np.arange(channels * 30).reshape(channels, 1, 5, 6).astype(dtype) * (1 if dtype == np.uint8 else 900)
    write_png(picture_of(array), tmp_path / "a.png")
    assert np.array_equal(NaturalImage2DIO().read_images([str(tmp_path / "a.png")])[0], array)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((1, 2, 4, 4), np.uint8),
        np.zeros((2, 1, 4, 4), np.uint8),
        np.zeros((1, 1, 4, 4), np.float32),
        np.zeros((3, 1, 4, 4), np.uint16),
    ],
    ids=["slices", "channels", "type", "deep colours"],
)
def test_what_does_not_fit_png(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(DatasetError, match=r"source: \d channel\(s\) of \w+ in \d slice\(s\) do not fit a PNG"):
        write_png(picture_of(array), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
