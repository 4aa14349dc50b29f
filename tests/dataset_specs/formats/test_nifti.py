from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from rasd_nnu.dataset_specs.formats.nifti import read
from rasd_nnu.dataset_specs.formats.registry import read_picture
from rasd_nnu.errors import DatasetError

Writer = Callable[..., Path]
OBLIQUE = np.array([[0, -2, 0, 5], [1.5, 0, 0, -6], [0, 0, 3, 7], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_agrees_with_nnunets_reader(nifti: Writer, voxels: np.ndarray, name: str) -> None:
    file = nifti(name, voxels, OBLIQUE)
    picture, other = read(file), sitk.ReadImage(str(file))
    assert np.array_equal(picture.array[0], sitk.GetArrayFromImage(other))
    assert np.array_equal(picture.array[0], voxels)
    assert picture.array.dtype == np.int16
    assert picture.geometry.spacing_mm == pytest.approx(other.GetSpacing())
    assert picture.geometry.origin_mm == pytest.approx(other.GetOrigin())
    assert picture.geometry.direction == pytest.approx(other.GetDirection())
    assert picture.spacing_known and not picture.is_2d


def test_fourth_axis_becomes_the_channels(nifti: Writer, voxels: np.ndarray) -> None:
    picture = read(nifti("a.nii.gz", np.stack([voxels, voxels + 1000])))
    assert picture.channels == 2
    assert np.array_equal(picture.array[1], voxels + 1000)


def test_vectors_of_the_fifth_axis(nifti: Writer, voxels: np.ndarray) -> None:
    assert read(nifti("a.nii", np.stack([voxels] * 3)[:, None])).array.shape == (3, *voxels.shape)


def test_two_axes_are_one_slice(nifti: Writer, voxels: np.ndarray) -> None:
    picture = read(nifti("a.nii", voxels[0]))
    assert picture.is_2d
    assert np.array_equal(picture.array[0, 0], voxels[0])


def test_scaling_of_the_header_is_applied_in_float32(nifti: Writer, voxels: np.ndarray) -> None:
    file = nifti("a.nii", voxels)
    content = bytearray(file.read_bytes())
    content[112:120] = struct.pack("<2f", 0.5, -10)
    file.write_bytes(bytes(content))
    picture = read(file)
    assert picture.array.dtype == np.float32
    assert np.array_equal(picture.array[0], voxels * 0.5 - 10)


def test_double_becomes_float32(nifti: Writer, voxels: np.ndarray) -> None:
    assert read(nifti("a.nii", voxels.astype(np.float64))).array.dtype == np.float32


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_file_without_an_ending_is_recognised(nifti: Writer, voxels: np.ndarray, name: str) -> None:
    file = nifti(name, voxels)
    bare = file.rename(file.with_name("case_1"))
    assert np.array_equal(read_picture(bare).array[0], voxels)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"a\.nii is missing; check the source folder"):
        read(tmp_path / "a.nii")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.6])
def test_truncated_file(nifti: Writer, name: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 1000, (8, 32, 32)).astype(np.int16)
    file = nifti(name, noise)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(DatasetError, match=rf"{name}.*get it again from the official site"):
        read(file)


@pytest.mark.parametrize(
    "pack", [gzip.compress, lambda content: gzip.compress(content[:4000]) + gzip.compress(content[4000:])]
)
def test_packed_file_in_several_blocks(nifti: Writer, pack: Callable[[bytes], bytes]) -> None:
    noise = np.random.default_rng(0).integers(0, 1000, (16, 160, 120)).astype(np.int16)  # more than two blocks
    file = nifti("a.nii", noise)
    packed = file.with_name("a.nii.gz")
    packed.write_bytes(pack(file.read_bytes()))
    assert np.array_equal(read(packed).array[0], noise)


def test_wrong_checksum_of_the_packed_stream(nifti: Writer, voxels: np.ndarray) -> None:
    file = nifti("a.nii.gz", voxels)
    content = bytearray(file.read_bytes())
    content[-8] ^= 1
    file.write_bytes(content)
    with pytest.raises(DatasetError, match=r"cannot read .*a\.nii\.gz.*get it again from the official site"):
        read(file)


def test_no_nifti_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_text("<html>Please log in</html>")
    with pytest.raises(DatasetError, match=r"cannot read .*a\.nii\.gz"):
        read(tmp_path / "a.nii.gz")


def test_colours_are_refused(tmp_path: Path) -> None:
    rgb = np.zeros((4, 4, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(rgb, np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(DatasetError, match=r"a\.nii holds colours \(RGB\), expected one real number a voxel"):
        read(tmp_path / "a.nii")


def test_complex_numbers_are_refused(nifti: Writer, voxels: np.ndarray) -> None:
    with pytest.raises(DatasetError, match=r"a\.nii holds complex numbers"):
        read(nifti("a.nii", voxels.astype(np.complex64)))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_absurd_size_is_refused_before_memory_is_taken(nifti: Writer, voxels: np.ndarray, name: str) -> None:
    """The header claims 32767^3 voxels of one byte, that is 32 TB."""
    file = nifti(name, voxels.astype(np.uint8))
    content = bytearray(gzip.decompress(file.read_bytes()) if name.endswith("gz") else file.read_bytes())
    content[40:56] = struct.pack("<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1)
    file.write_bytes(gzip.compress(bytes(content)) if name.endswith("gz") else bytes(content))
    with pytest.raises(DatasetError, match=r"claims 32767x32767x32767x1 values, 32 TB, but the file holds"):
        read(file)


def test_largest_size_can_be_set(nifti: Writer, voxels: np.ndarray) -> None:
    file = nifti("a.nii.gz", voxels)
    with pytest.raises(DatasetError, match=r"240 bytes; at most 239 bytes are read. Raise max_bytes"):
        read(file, max_bytes=239)
    assert read(file, max_bytes=240).shape == voxels.shape


def test_sheared_grid_is_refused(nifti: Writer, voxels: np.ndarray) -> None:
    affine = np.eye(4)
    affine[0, 2] = 0.2
    with pytest.raises(DatasetError, match=r"axes are not perpendicular .* Resample the image"):
        read(nifti("a.nii", voxels, affine))


def test_affine_without_extent_is_refused(nifti: Writer, voxels: np.ndarray) -> None:
    file = nifti("a.nii", voxels)
    content = bytearray(file.read_bytes())
    content[312:328] = bytes(16)  # third row of the sform
    content[288:292], content[304:308] = bytes(4), bytes(4)
    file.write_bytes(bytes(content))
    with pytest.raises(DatasetError, match="no usable affine"):
        read(file)
