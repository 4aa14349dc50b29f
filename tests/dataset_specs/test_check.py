from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rasd_nnu.dataset_specs.convert import convert
from rasd_nnu.dataset_specs.layouts.find import find_cases
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.source import Ref, SourceCase
from rasd_nnu.errors import DatasetError

SHAPE = (6, 7, 5)
Writer = Callable[..., Path]


@pytest.fixture
def files(tmp_path: Path, save: Writer) -> dict[str, Path]:
    save(tmp_path / "image.nii.gz", np.ones(SHAPE, np.float32))
    save(tmp_path / "label.nii.gz", np.ones(SHAPE, np.uint8))
    return {role: tmp_path / f"{role}.nii.gz" for role in ("image", "label")}


@pytest.fixture
def case(files: dict[str, Path]) -> SourceCase:
    return SourceCase("hippocampus_001", (Ref(files["image"]),), {}, (("", Ref(files["label"])),))


def problem_of(spec: DatasetSpec, case: SourceCase) -> str:
    with pytest.raises(DatasetError) as caught:
        convert(spec, case)
    return str(caught.value)


def with_value(value: float, dtype: type = np.float32) -> np.ndarray:
    voxels = np.ones(SHAPE, dtype)
    voxels[1, 2, 3] = value
    return voxels


def test_good_case_is_converted(spec: DatasetSpec, case: SourceCase) -> None:
    converted = convert(spec, case)
    assert converted.image.array.shape == (1, 5, 7, 6)
    assert converted.label is not None and converted.label.array.dtype == np.uint8


@pytest.mark.parametrize("role", ["image", "label"])
def test_missing_file(spec: DatasetSpec, case: SourceCase, files: dict[str, Path], role: str) -> None:
    files[role].unlink()
    assert f"{role}.nii.gz is missing" in problem_of(spec, case)


@pytest.mark.parametrize("role", ["image", "label"])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"not gzip at all"])
def test_unreadable_file(
    spec: DatasetSpec, case: SourceCase, files: dict[str, Path], role: str, damage: Callable[[bytes], bytes]
) -> None:
    files[role].write_bytes(damage(files[role].read_bytes()))
    assert problem_of(spec, case).startswith(f"cannot read {files[role]}: ")


@pytest.mark.parametrize(
    ("shape", "spacing", "origin", "words"),
    [
        ((6, 7, 4), (1, 1, 1), (0, 0, 0), "has the shape (4, 7, 6)"),
        (SHAPE, (1, 1, 1.5), (0, 0, 0), "has the spacing 1x1x1.5 mm"),
        (SHAPE, (1, 1, 1), (0, 0, 3), "lies 3 voxel(s) away"),
    ],
)
def test_grids_differ(
    spec: DatasetSpec, case: SourceCase, files: dict[str, Path], save: Writer, shape: tuple[int, ...],
    spacing: tuple[float, ...], origin: tuple[float, ...], words: str,
) -> None:  # fmt: skip
    save(files["label"], np.ones(shape, np.uint8), spacing=spacing, origin=origin)
    problem = problem_of(spec, case)
    assert words in problem and str(files["label"]) in problem


def test_rounded_header_is_accepted(spec: DatasetSpec, case: SourceCase, files: dict[str, Path], save: Writer) -> None:
    save(files["label"], np.ones(SHAPE, np.uint8), spacing=(1, 1, 1.0001), origin=(0, 0, 0.01))
    label = convert(spec, case).label
    assert label is not None and label.geometry.spacing_mm == (1, 1, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(spec: DatasetSpec, case: SourceCase, files: dict[str, Path], save: Writer, value: float) -> None:
    save(files["image"], with_value(value))
    assert "has 1 NaN or infinite voxel(s)" in problem_of(spec, case)
    save(files["image"], with_value(1))
    save(files["label"], with_value(value))
    assert "outside the spec's [0, 1, 2]" in problem_of(spec, case)


@pytest.mark.parametrize(("value", "shown"), [(3, "3"), (-1, "-1"), (0.5, "0.5")])
def test_label_outside_the_spec(
    spec: DatasetSpec, case: SourceCase, files: dict[str, Path], save: Writer, value: float, shown: str
) -> None:
    save(files["label"], with_value(value))
    assert f"has the label value(s) {shown} outside the spec's [0, 1, 2]" in problem_of(spec, case)


def test_wrong_channels(spec: DatasetSpec, case: SourceCase, files: dict[str, Path], save: Writer) -> None:
    save(files["image"], np.ones((*SHAPE, 2), np.float32))
    assert "has 2 channel(s), expected 1 (T1)" in problem_of(spec, case)


def test_missing_folder_is_not_the_layout(spec: DatasetSpec, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere is not a folder; expected the unpacked release"):
        find_cases(spec, tmp_path / "nowhere")


def test_empty_folder_is_not_the_layout(spec: DatasetSpec, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"has no dataset\.json and no imagesTr and no labelsTr; expected"):
        find_cases(spec, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": []}, "lists no cases under 'training'"),
        ({"training": ["imagesTr/a.nii.gz"]}, "names no image that ends in .nii.gz"),
        ({"training": [{"image": "imagesTr/a.nii.gz"}]}, "names no label that ends in .nii.gz"),
        ({"training": [{"image": "../a.nii.gz", "label": "b.nii.gz"}]}, "leads out of the folder"),
        ({"training": [{"image": "/a.nii.gz", "label": "b.nii.gz"}]}, "leads out of the folder"),
        ({"training": 2 * [{"image": "a.nii.gz", "label": "b.nii.gz"}]}, "lists the case 'a' twice"),
        ({"modality": {"0": "T1", "1": "T2"}}, r"has 1 channel\(s\): T1\. Is it the right task"),
        ({"labels": {"0": "background", "1": "Posterior", "2": "Anterior"}}, "Is it the right task"),
    ],
)
def test_listing_that_does_not_fit(
    spec: DatasetSpec, release: Path, relist: Callable[..., None], changes: dict[str, object], message: str
) -> None:
    relist(release, ["hippocampus_001"], **changes)
    with pytest.raises(DatasetError, match=message):
        find_cases(spec, release)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_listing_that_is_no_json_object(spec: DatasetSpec, release: Path, text: str) -> None:
    (release / "dataset.json").write_text(text)
    with pytest.raises(DatasetError, match=r"dataset\.json"):
        find_cases(spec, release)
