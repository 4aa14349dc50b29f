from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from rasd_nnu.errors import DatasetError
from rasd_nnu.features.images import find_images, read_case, read_image, to_image, write_image
from tests.features.parts import image_of


def write(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=path.suffix == ".png"), str(path))
    return path


def test_channels_are_joined(tmp_path: Path) -> None:
    for i in range(2):
        write(tmp_path / f"a_{i:04d}.nii.gz", np.full((3, 4, 5), float(i), np.float32))
    case = read_case(tmp_path / "a_0000.nii.gz", 2)
    assert (case.name, case.array.shape, case.spacing) == ("a", (2, 3, 4, 5), (1.0, 1.0, 1.0))
    assert np.array_equal(case.array.mean((1, 2, 3)), [0, 1])
    assert find_images(tmp_path) == [tmp_path / "a_0000.nii.gz"]


def test_colours_are_channels(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    case = read_case(write(tmp_path / "a.png", picture), 3)
    assert np.array_equal(case.array[:, 0], picture.transpose(2, 0, 1))
    assert case.spacing[0] > 100 * case.spacing[1]


def test_features_lie_where_the_image_does(tmp_path: Path) -> None:
    image = image_of(np.zeros((3, 4, 5), np.float32), (0.5, 1.0, 2.0))
    image.SetOrigin((7, -8, 9))
    image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    features = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    path = tmp_path / "new" / "x.nii.gz"
    write_image(to_image(features, image), path)
    found = sitk.ReadImage(str(path))
    assert found.GetSize() == (5, 4, 3, 2)
    assert np.array_equal(sitk.GetArrayFromImage(found), features)
    second = sitk.Extract(found, (5, 4, 3, 0), (0, 0, 0, 1))
    for point in ((0, 0, 0), (4, 1, 2)):
        assert np.allclose(second.TransformIndexToPhysicalPoint(point), image.TransformIndexToPhysicalPoint(point))
    assert [p.name for p in path.parent.iterdir()] == ["x.nii.gz"]


@pytest.mark.parametrize(
    ("name", "array", "channels", "message"),
    [
        ("a.nii.gz", None, 1, "does not exist"),
        ("a.nii.gz", np.zeros((3, 3, 3)), 2, "_0000"),
        ("a_0000.nii.gz", np.zeros((3, 3, 3)), 2, "a_0001.nii.gz does not exist"),
        ("a.mha", np.full((3, 3, 3), np.nan), 1, "not finite"),
        ("a.nii.gz", np.zeros((2, 3, 3, 3)), 1, "expected 2 or 3"),
    ],
)
def test_bad_images(tmp_path: Path, name: str, array: np.ndarray | None, channels: int, message: str) -> None:
    if array is not None:
        write(tmp_path / name, array)
    with pytest.raises(DatasetError, match=message):
        read_case(tmp_path / name, channels)


def test_what_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_text("no")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_image(tmp_path / "a.nii.gz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no images"):
        find_images(tmp_path / "empty")
    with pytest.raises(DatasetError, match="Use a name such as"):
        write_image(image_of(np.zeros((2, 2, 2), np.float32)), tmp_path / "x.unknown")
