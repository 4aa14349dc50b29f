from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rasd_nnu.dataset_specs.check import find_problem
from rasd_nnu.dataset_specs.decathlon import find_cases
from rasd_nnu.dataset_specs.prepare import prepare
from rasd_nnu.dataset_specs.schema import DatasetSpec, LabelMapping
from rasd_nnu.dataset_specs.source import SourceCase
from rasd_nnu.errors import DatasetError

SHAPE = (6, 7, 5)
Writer = Callable[..., Path]


@pytest.fixture
def case(tmp_path: Path, save: Writer) -> SourceCase:
    save(tmp_path / "image.nii.gz", np.ones(SHAPE, np.float32))
    save(tmp_path / "label.nii.gz", np.ones(SHAPE, np.uint8))
    return SourceCase("hippocampus_001", tmp_path / "image.nii.gz", tmp_path / "label.nii.gz")


def with_value(value: float, dtype: type = np.float32) -> np.ndarray:
    voxels = np.ones(SHAPE, dtype)
    voxels[1, 2, 3] = value
    return voxels


def test_good_case_has_no_problem(spec: DatasetSpec, case: SourceCase) -> None:
    assert find_problem(spec, case) is None


@pytest.mark.parametrize("role", ["image", "label"])
def test_missing_file(spec: DatasetSpec, case: SourceCase, role: str) -> None:
    getattr(case, role).unlink()
    assert find_problem(spec, case) == f"{role} {case.image.parent.name}/{role}.nii.gz is missing"


@pytest.mark.parametrize("role", ["image", "label"])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"not gzip at all"])
def test_unreadable_file(spec: DatasetSpec, case: SourceCase, role: str, damage: Callable[[bytes], bytes]) -> None:
    file = getattr(case, role)
    file.write_bytes(damage(file.read_bytes()))
    assert str(find_problem(spec, case)).startswith(f"cannot read {role}.nii.gz: ")


def test_shapes_differ(spec: DatasetSpec, case: SourceCase, save: Writer) -> None:
    save(case.label, np.ones((6, 7, 4), np.uint8))
    assert find_problem(spec, case) == "image has shape (6, 7, 5) but label (6, 7, 4)"


def test_spacings_differ(spec: DatasetSpec, case: SourceCase, save: Writer) -> None:
    save(case.label, np.ones(SHAPE, np.uint8), spacing=(1, 1, 1.5))
    assert find_problem(spec, case) == "image has spacing 1x1x1 mm but label 1x1x1.5 mm"


def test_origins_differ(spec: DatasetSpec, case: SourceCase, save: Writer) -> None:
    save(case.label, np.ones(SHAPE, np.uint8), origin=(0, 0, 3))
    assert find_problem(spec, case) == "image and label have different affines, corners are up to 3 mm apart"


def test_rounded_header_is_accepted(spec: DatasetSpec, case: SourceCase, save: Writer) -> None:
    save(case.label, np.ones(SHAPE, np.uint8), spacing=(1, 1, 1.0001), origin=(0, 0, 0.01))
    assert find_problem(spec, case) is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("role", ["image", "label"])
def test_not_finite(spec: DatasetSpec, case: SourceCase, save: Writer, role: str, value: float) -> None:
    save(getattr(case, role), with_value(value))
    assert find_problem(spec, case) == f"{role} has 1 NaN or infinite voxel(s)"


@pytest.mark.parametrize(("value", "shown"), [(3, "3"), (-1, "-1"), (0.5, "0.5")])
def test_label_outside_the_spec(spec: DatasetSpec, case: SourceCase, save: Writer, value: float, shown: str) -> None:
    save(case.label, with_value(value))
    assert find_problem(spec, case) == f"label has the value(s) {shown} outside the spec's [0, 1, 2]"


def test_label_outside_the_mapping(spec: DatasetSpec, case: SourceCase, save: Writer) -> None:
    mapped = spec.model_copy(update={"label_mapping": LabelMapping(values={1: 0, 205: 1})})
    save(case.label, with_value(205, np.int16))
    assert find_problem(mapped, case) is None
    save(case.label, with_value(421, np.int16))
    assert find_problem(mapped, case) == "label has the value(s) 421 outside the spec's [1, 205]"


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        ((*SHAPE, 2), "image has 2 channel(s), expected 1: T1"),
        ((6, 7), "image has 2 axes, expected 3 (or 4 with the channels last)"),
    ],
)
def test_wrong_channels(
    spec: DatasetSpec, case: SourceCase, save: Writer, shape: tuple[int, ...], problem: str
) -> None:
    save(case.image, np.ones(shape, np.float32))
    assert find_problem(spec, case) == problem


def test_case_outside_the_group_rule(spec: DatasetSpec, case: SourceCase) -> None:
    stranger = SourceCase("brain", case.image, case.label)
    assert "'brain' does not fit the group rule" in str(find_problem(spec, stranger))


def test_up_to_five_bad_cases_are_named_and_nothing_is_written(
    spec: DatasetSpec, release: Path, tmp_path: Path
) -> None:
    for file in sorted((release / "labelsTr").iterdir())[:7]:
        file.unlink()
    with pytest.raises(DatasetError, match=r"^7 of 10 cases of msd04_hippocampus are unusable: ") as caught:
        prepare(spec, release, tmp_path / "raw")
    assert "hippocampus_005: label labelsTr/hippocampus_005.nii.gz is missing; and 2 more." in str(caught.value)
    assert "hippocampus_006" not in str(caught.value)
    assert not (tmp_path / "raw").exists()


def test_missing_folder_is_not_the_layout(spec: DatasetSpec, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere is not a folder; expected the unpacked folder Task04_Hippo"):
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
