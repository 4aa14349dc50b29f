from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from rasd_nnu.dataset_specs import prepare as module
from rasd_nnu.dataset_specs.journal import Journal
from rasd_nnu.dataset_specs.locations import find_source
from rasd_nnu.dataset_specs.prepare import prepare
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.schema.steps import Steps
from rasd_nnu.dataset_specs.steps.remap import Above, Remap
from rasd_nnu.errors import DatasetError, SetupError

SHAPE = (6, 7, 5)
Writer = Callable[..., Path]


def content_of(folder: Path) -> dict[str, str]:
    """Checksum of every file."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_files_are_named_as_nnunet_expects(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    prepared = prepare(spec, release, tmp_path / "raw")
    names = [f"hippocampus_{index:03d}" for index in range(1, 11)]
    assert prepared.path == tmp_path / "raw" / "Dataset004_Hippocampus"
    assert prepared.cases == tuple(names)
    assert sorted(path.name for path in prepared.path.iterdir()) == [
        "cases.csv", "dataset.json", "imagesTr", "labelsTr", "prepare.jsonl", "splits_final.json",
    ]  # fmt: skip
    assert sorted(p.name for p in (prepared.path / "imagesTr").iterdir()) == [f"{n}_0000.nii.gz" for n in names]
    assert sorted(p.name for p in (prepared.path / "labelsTr").iterdir()) == [f"{n}.nii.gz" for n in names]
    dataset = json.loads((prepared.path / "dataset.json").read_text())
    assert dataset["channel_names"] == {"0": "T1"}
    assert dataset["labels"] == {"background": 0, "Anterior": 1, "Posterior": 2}
    assert (dataset["numTraining"], dataset["file_ending"]) == (10, ".nii.gz")


def test_nnunet_accepts_the_data_set(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    verify_dataset_integrity(str(prepare(spec, release, tmp_path).path), num_processes=1)


def test_files_that_need_no_change_are_copied(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    path = prepare(spec, release, tmp_path).path
    for role, name in (("imagesTr", "hippocampus_003_0000"), ("labelsTr", "hippocampus_003")):
        copy, original = path / role / f"{name}.nii.gz", release / role / "hippocampus_003.nii.gz"
        assert copy.read_bytes() == original.read_bytes()
        assert not copy.samefile(original)


def test_cases_csv_holds_group_source_and_checksum(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    path = prepare(spec, release, tmp_path).path
    with (path / "cases.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["case"][-3:], row["group"], row["split"]) for row in rows[:3]] == [
        ("001", "1", "train"), ("002", "1", "train"), ("003", "2", "train"),
    ]  # fmt: skip
    for row in rows:
        assert hashlib.sha256((release / row["source"]).read_bytes()).hexdigest() == row["sha256"]
        assert hashlib.sha256((release / row["label_source"]).read_bytes()).hexdigest() == row["label_sha256"]


def test_no_group_is_on_both_sides_and_each_case_is_validated_once(
    spec: DatasetSpec, release: Path, tmp_path: Path
) -> None:
    prepared = prepare(spec, release, tmp_path)
    folds = json.loads((prepared.path / "splits_final.json").read_text())
    assert len(folds) == 5
    for fold in folds:
        assert sorted(fold["train"] + fold["val"]) == sorted(prepared.cases)
        assert not {spec.group.group_of(case) for case in fold["train"]} & {
            spec.group.group_of(case) for case in fold["val"]
        }
    assert sorted(case for fold in folds for case in fold["val"]) == sorted(prepared.cases)


def test_two_runs_give_the_same_bytes(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    first, second = prepare(spec, release, tmp_path / "a"), prepare(spec, release.parent, tmp_path / "b")
    assert content_of(first.path) == content_of(second.path)


def test_fewer_cases_than_official_is_a_warning(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    prepared = prepare(spec, release, tmp_path)
    assert prepared.warnings == ("the source lists 10 cases, the official release has 260",)


def test_floating_point_labels_become_uint8(spec: DatasetSpec, release: Path, tmp_path: Path, save: Writer) -> None:
    voxels = np.arange(210).reshape(SHAPE) % 3
    save(release / "labelsTr" / "hippocampus_001.nii.gz", voxels.astype(np.float64), origin=(1, 2, 3))
    save(release / "imagesTr" / "hippocampus_001.nii.gz", np.ones(SHAPE, np.float32), origin=(1, 2, 3))
    label = nib.load(prepare(spec, release, tmp_path).path / "labelsTr" / "hippocampus_001.nii.gz")
    assert label.get_data_dtype() == np.uint8
    assert np.array_equal(np.asanyarray(label.dataobj), voxels)
    assert label.affine[:3, 3].tolist() == [1, 2, 3]


def test_label_values_are_mapped(spec: DatasetSpec, release: Path, tmp_path: Path, save: Writer) -> None:
    mapped = spec.model_copy(update={"steps": Steps(label=(Remap(values={0: 0, 1: 2, 2: 1}),))})
    before = np.asanyarray(nib.load(release / "labelsTr" / "hippocampus_001.nii.gz").dataobj)
    after = nib.load(prepare(mapped, release, tmp_path).path / "labelsTr" / "hippocampus_001.nii.gz")
    assert np.array_equal(np.asanyarray(after.dataobj), np.array([0, 2, 1])[before])


def test_threshold_makes_two_classes(spec: DatasetSpec, release: Path, tmp_path: Path, save: Writer) -> None:
    mapped = spec.model_copy(update={"steps": Steps(label=(Above(threshold=127),))})
    voxels = np.arange(210, dtype=np.uint8).reshape(SHAPE)
    save(release / "labelsTr" / "hippocampus_001.nii.gz", voxels)
    after = nib.load(prepare(mapped, release, tmp_path).path / "labelsTr" / "hippocampus_001.nii.gz")
    assert np.array_equal(np.asanyarray(after.dataobj), voxels > 127)


def test_channels_of_a_4d_image_become_files(
    spec: DatasetSpec, release: Path, tmp_path: Path, save: Writer, relist: Callable[..., None]
) -> None:
    names = [f"hippocampus_{index:03d}" for index in range(1, 11)]
    relist(release, names, modality={"0": "T2", "1": "ADC"})
    for name in names:
        image = np.stack([np.full(SHAPE, 1, np.int16), np.full(SHAPE, 2, np.int16)], axis=-1)
        save(release / "imagesTr" / f"{name}.nii.gz", image, spacing=(1, 1, 3))
        save(release / "labelsTr" / f"{name}.nii.gz", np.ones(SHAPE, np.uint8), spacing=(1, 1, 3))
    two = spec.model_copy(update={"channels": ("T2", "ADC")})
    path = prepare(two, release, tmp_path / "a").path
    assert content_of(path) == content_of(prepare(two, release, tmp_path / "b").path)
    assert json.loads((path / "dataset.json").read_text())["channel_names"] == {"0": "T2", "1": "ADC"}
    for channel in (0, 1):
        image = nib.load(path / "imagesTr" / f"hippocampus_007_{channel:04d}.nii.gz")
        assert image.shape == SHAPE
        assert image.header.get_zooms() == (1, 1, 3)
        assert np.unique(np.asanyarray(image.dataobj)).tolist() == [channel + 1]


def test_num_cases_takes_the_first(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    prepared = prepare(spec, release, tmp_path, num_cases=9)
    assert prepared.cases[-1] == "hippocampus_009"


@pytest.mark.parametrize(
    ("num_cases", "message"), [(0, "ask for 1 to 10"), (11, "ask for 1 to 10"), (8, "at least 5 groups")]
)
def test_impossible_number_of_cases(
    spec: DatasetSpec, release: Path, tmp_path: Path, num_cases: int, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        prepare(spec, release, tmp_path / "raw", num_cases=num_cases)
    assert not list((tmp_path / "raw").glob("*"))


def test_second_run_does_nothing(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    assert prepare(spec, release, tmp_path / "raw").converted == 10
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "raw").rglob("*.nii.gz")}
    assert prepare(spec, release, tmp_path / "raw").converted == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "raw").rglob("*.nii.gz")} == before


def test_changed_source_needs_overwrite(spec: DatasetSpec, release: Path, tmp_path: Path, save: Writer) -> None:
    prepare(spec, release, tmp_path / "raw")
    before = content_of(tmp_path / "raw")
    with pytest.raises(DatasetError, match=r"0 case\(s\) are new or changed and 1 are gone, such as hippocampus_010"):
        prepare(spec, release, tmp_path / "raw", num_cases=9)
    save(release / "labelsTr" / "hippocampus_003.nii.gz", np.zeros(SHAPE, np.uint8))
    with pytest.raises(DatasetError, match=r"1 case\(s\) are new or changed .*hippocampus_003\. Give --overwrite"):
        prepare(spec, release, tmp_path / "raw")
    assert content_of(tmp_path / "raw") == before


def test_data_set_of_another_program_is_kept(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    (tmp_path / "raw" / spec.dataset_name / "imagesTr").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"was not made by this program; give --overwrite"):
        prepare(spec, release, tmp_path / "raw")
    assert [path.name for path in (tmp_path / "raw").rglob("*")] == [spec.dataset_name, "imagesTr"]


def test_bad_cases_are_named_and_the_others_are_kept(
    spec: DatasetSpec, release: Path, tmp_path: Path, save: Writer
) -> None:
    for index in range(1, 8):
        save(release / "labelsTr" / f"hippocampus_{index:03d}.nii.gz", np.full(SHAPE, 7, np.uint8))
    with pytest.raises(
        DatasetError, match=r"^7 of 10 cases of msd04_hippocampus are unusable: hippocampus_001: "
    ) as bad:
        prepare(spec, release, tmp_path / "raw")
    assert str(bad.value).count("label value(s) 7 outside the spec's [0, 1, 2]") == 5
    assert "; and 2 more." in str(bad.value)
    partial = tmp_path / "raw" / f".{spec.dataset_name}.partial"
    assert [path.name for path in (tmp_path / "raw").iterdir()] == [partial.name]
    assert sorted(path.name[:15] for path in (partial / "labelsTr").iterdir()) == [
        f"hippocampus_{index:03d}" for index in range(8, 11)
    ]
    for index in range(1, 8):
        save(release / "labelsTr" / f"hippocampus_{index:03d}.nii.gz", np.full(SHAPE, 2, np.uint8))
    assert prepare(spec, release, tmp_path / "raw").converted == 7
    assert [path.name for path in (tmp_path / "raw").iterdir()] == [spec.dataset_name]


def test_killed_run_goes_on(spec: DatasetSpec, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add = Journal.add
    left = [4]

    def die(journal: Journal, case: str, *rest: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        add(journal, case, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "add", die)
    with pytest.raises(KeyboardInterrupt):
        prepare(spec, release, tmp_path / "raw")
    monkeypatch.undo()
    partial = tmp_path / "raw" / f".{spec.dataset_name}.partial"
    with (partial / "prepare.jsonl").open("a") as stream:
        stream.write('{"case": "hippocampus_005", "sig')  # killed while writing a line
    (partial / "imagesTr" / ".tmp_hippocampus_006_0000.nii.gz").write_bytes(b"half")
    assert prepare(spec, release, tmp_path / "raw").converted == 6
    fresh = prepare(spec, release, tmp_path / "fresh")
    assert content_of(tmp_path / "raw" / spec.dataset_name) == content_of(fresh.path)


def test_two_workers_give_the_same_bytes(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    one, two = prepare(spec, release, tmp_path / "a"), prepare(spec, release, tmp_path / "b", workers=2)
    assert content_of(one.path) == content_of(two.path)


def test_overwrite_replaces_all(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    prepare(spec, release, tmp_path / "raw")
    prepared = prepare(spec, release, tmp_path / "raw", overwrite=True, num_cases=9)
    assert len(list((prepared.path / "imagesTr").iterdir())) == 9
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["Dataset004_Hippocampus"]


def test_failure_while_overwriting_keeps_the_old_data_set(
    spec: DatasetSpec, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(spec, release, tmp_path / "raw")
    before = content_of(tmp_path / "raw" / spec.dataset_name)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_all_tables", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare(spec, release, tmp_path / "raw", overwrite=True)
    assert content_of(tmp_path / "raw" / spec.dataset_name) == before


def test_bad_source_while_overwriting_keeps_the_old_data_set(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    prepare(spec, release, tmp_path / "raw")
    before = content_of(tmp_path / "raw" / spec.dataset_name)
    (release / "labelsTr" / "hippocampus_001.nii.gz").unlink()
    with pytest.raises(DatasetError, match="1 of 10 cases"):
        prepare(spec, release, tmp_path / "raw", overwrite=True)
    assert content_of(tmp_path / "raw" / spec.dataset_name) == before


def test_id_of_another_data_set_is_refused(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    (tmp_path / "raw" / "Dataset004_Other").mkdir(parents=True)
    with pytest.raises(DatasetError, match="holds Dataset004_Other, which has the same id"):
        prepare(spec, release, tmp_path / "raw")


def test_target_that_cannot_be_written(spec: DatasetSpec, release: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file, not a folder")
    with pytest.raises(DatasetError, match="cannot write"):
        prepare(spec, release, tmp_path / "raw")


def test_source_is_found_under_rasd_data(
    spec: DatasetSpec, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RASD_DATA", str(release.parent))
    assert find_source(spec) == release
    assert len(prepare(spec, None, tmp_path / "raw").cases) == 10
    monkeypatch.setenv("RASD_DATA", str(tmp_path))
    assert find_source(spec) is None
    monkeypatch.delenv("RASD_DATA")
    assert find_source(spec) is None


def test_rasd_data_that_is_no_folder(spec: DatasetSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASD_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(SetupError, match="nowhere is not a folder; set it to one that holds data sets"):
        find_source(spec)


@pytest.mark.skipif("RASD_DATA" not in os.environ, reason="RASD_DATA is unset")
def test_real_hippocampus(spec: DatasetSpec, tmp_path: Path) -> None:
    source = find_source(spec)
    if source is None:
        pytest.skip("RASD_DATA holds no Task04_Hippocampus")
    listed = len(json.loads((source / "dataset.json").read_text())["training"])
    prepared = prepare(spec, source, tmp_path)
    assert len(list((prepared.path / "imagesTr").iterdir())) == len(prepared.cases) == listed
