from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from rasd_nnu.dataset_specs.formats.registry import read_picture
from rasd_nnu.errors import DatasetError

ENDINGS = ["mhd", "mha", "nrrd", "nhdr"]
DIRECTION = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def write(file: Path, array: np.ndarray, packed: bool = False, vectors: bool = False) -> Path:
    image = sitk.GetImageFromArray(array, isVector=vectors)
    if image.GetDimension() == 3:
        image.SetSpacing((0.5, 1.5, 3))
        image.SetOrigin((-10, 20, 30))
        image.SetDirection(DIRECTION)
    sitk.WriteImage(image, str(file), useCompression=packed)
    return file


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", ENDINGS)
def test_voxels_and_geometry(tmp_path: Path, voxels: np.ndarray, ending: str, packed: bool) -> None:
    picture = read_picture(write(tmp_path / f"a.{ending}", voxels, packed))
    assert np.array_equal(picture.array[0], voxels)
    assert picture.geometry.spacing_mm == pytest.approx((0.5, 1.5, 3))
    assert picture.geometry.origin_mm == pytest.approx((-10, 20, 30))
    assert picture.geometry.direction == pytest.approx(DIRECTION)


def test_channels_come_first(tmp_path: Path, voxels: np.ndarray) -> None:
    file = write(tmp_path / "a.nrrd", np.stack([voxels, -voxels], axis=-1), vectors=True)
    assert np.array_equal(read_picture(file).array, np.stack([voxels, -voxels]))


def test_time_becomes_the_channels(tmp_path: Path, voxels: np.ndarray) -> None:
    file = write(tmp_path / "a.mha", np.stack([voxels, -voxels]))
    assert np.array_equal(read_picture(file).array, np.stack([voxels, -voxels]))


def test_two_axes_are_one_slice(tmp_path: Path, voxels: np.ndarray) -> None:
    assert np.array_equal(read_picture(write(tmp_path / "a.mha", voxels[0])).array, voxels[None, :1])


@pytest.mark.parametrize("ending", ENDINGS)
def test_truncated_file(tmp_path: Path, voxels: np.ndarray, ending: str) -> None:
    file = write(tmp_path / f"a.{ending}", voxels)
    data = file.with_suffix(".raw") if file.with_suffix(".raw").exists() else file
    data.write_bytes(data.read_bytes()[:-100])
    with pytest.raises(DatasetError, match=rf"a\.{ending}.*get it again from the official site"):
        read_picture(file)


@pytest.mark.parametrize("ending", ["mhd", "nhdr"])
def test_missing_data_file(tmp_path: Path, voxels: np.ndarray, ending: str) -> None:
    file = write(tmp_path / f"a.{ending}", voxels)
    (tmp_path / "a.raw").unlink()
    with pytest.raises(DatasetError, match=r"names the data file a\.raw, which is missing beside it"):
        read_picture(file)


@pytest.mark.parametrize("ending", ["mhd", "nhdr"])
@pytest.mark.parametrize("name", ["../a.raw", "/etc/passwd", "sub/a.raw", "LIST", "a%03d.raw 0 3 1", "..\\a.raw", "."])
def test_data_elsewhere_are_refused(tmp_path: Path, voxels: np.ndarray, ending: str, name: str) -> None:
    file = write(tmp_path / f"a.{ending}", voxels)
    file.write_text(file.read_text().replace("a.raw", name))
    with pytest.raises(DatasetError, match="expected one file beside it, without a folder"):
        read_picture(file)


@pytest.mark.parametrize("line", ["data file: ../b=c.raw", "Data File: ../b.raw", "datafile: ../b.raw"])
def test_data_elsewhere_are_seen_in_every_spelling(tmp_path: Path, voxels: np.ndarray, line: str) -> None:
    file = write(tmp_path / "a.nhdr", voxels)
    file.write_text(file.read_text().replace("data file: a.raw", line))
    with pytest.raises(DatasetError, match="expected one file beside it"):
        read_picture(file)


@pytest.mark.parametrize("ending", ENDINGS)
def test_absurd_size_is_refused(tmp_path: Path, voxels: np.ndarray, ending: str) -> None:
    file = write(tmp_path / f"a.{ending}", voxels)
    file.write_bytes(file.read_bytes().replace(b"6 5 4", b"32768 32768 16384"))
    with pytest.raises(DatasetError, match=r"claims 32768x32768x16384x1 values, 32 TB, but the file holds"):
        read_picture(file)


@pytest.mark.parametrize("ending", ["mhd", "nrrd"])
def test_header_without_an_end(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"a.{ending}").write_text("NRRD0004\n" + "# nothing\n" * 10_000)
    with pytest.raises(DatasetError, match=r"is it an? (MetaImage header|NRRD file)\?"):
        read_picture(tmp_path / f"a.{ending}")


def test_complex_numbers_are_refused(tmp_path: Path, voxels: np.ndarray) -> None:
    file = write(tmp_path / "a.nrrd", voxels.astype(np.complex64))
    with pytest.raises(DatasetError, match=r"a\.nrrd"):
        read_picture(file)
