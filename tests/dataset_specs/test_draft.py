from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rasd_nnu.cli.main import main
from rasd_nnu.dataset_specs.check import check
from rasd_nnu.dataset_specs.draft import draft_spec
from rasd_nnu.dataset_specs.formats.nifti import read
from rasd_nnu.dataset_specs.parse import parse_spec
from rasd_nnu.dataset_specs.prepare import prepare
from rasd_nnu.errors import DatasetError
from tests.dataset_specs.fixtures.common import random_gray, random_labels, random_volume, write_image, write_nifti


def volumes(folder: Path) -> None:
    for patient in range(1, 7):
        for visit in (1, 2):
            name = f"pat{patient:02d}_v{visit}"
            write_nifti(folder / "scans" / f"{name}_image.nii.gz", random_volume(patient))
            write_nifti(folder / "scans_labels" / f"{name}_seg.nii.gz", random_labels(patient, (0, 3, 7)))


def test_draft_of_volumes_leads_to_a_data_set(tmp_path: Path) -> None:
    volumes(tmp_path / "mine")
    text = draft_spec("Mine", tmp_path / "mine", taken_ids=[700])
    spec = parse_spec(text, "draft")
    assert (spec.id, spec.dims, spec.layout.cases, spec.layout.folder) == (701, 3, 12, "mine")
    assert spec.group.group_of("pat03_v2") == "pat03"
    assert "licence" in spec.unknown
    assert text.count("# guessed: check this") >= 6
    assert not check(spec, tmp_path / "mine", voxels=True).problems
    prepared = prepare(spec, tmp_path / "mine", tmp_path / "raw")
    assert len(prepared.cases) == 12 and not prepared.warnings


@pytest.mark.parametrize(
    ("image", "label", "case"),
    [
        ("image.nii.gz", "label.nii.gz", "{patient}"),
        ("{p}.nii.gz", "{p}_seg.nii.gz", "{patient}"),
        ("scan/{p}_t{v}.nii.gz", "truth/{p}_t{v}_gt.nii.gz", "{patient}_t{case}"),
        ("visit{v}_ct.nii.gz", "visit{v}_mask.nii.gz", "{patient}_visit{case}"),
    ],
)
def test_one_folder_a_patient(tmp_path: Path, image: str, label: str, case: str) -> None:
    visits = (1, 2) if "{v}" in image else (1,)
    for patient in (f"patient{number:03d}" for number in range(1, 7)):
        for visit in visits:
            folder = tmp_path / "mine" / "all" / patient
            write_nifti(folder / image.format(p=patient, v=visit), random_volume(visit))
            write_nifti(folder / label.format(p=patient, v=visit), random_labels(visit, (0, 1)))
    spec = parse_spec(draft_spec("Mine", tmp_path / "mine"), "draft")
    assert (spec.group.by, spec.layout.cases) == ("{patient}", 6 * len(visits))
    prepared = prepare(spec, tmp_path / "mine", tmp_path / "raw")
    assert prepared.cases[-1] == case.format(patient="patient006", case=visits[-1])
    assert len(prepared.cases) == 6 * len(visits) and not prepared.warnings


def test_images_that_are_channels(tmp_path: Path) -> None:
    """Several images and one label map in each patient's folder."""
    for patient in range(1, 7):
        folder = tmp_path / "mine" / f"p{patient}"
        for at, name in enumerate(("flair", "t1")):
            write_nifti(folder / f"p{patient}_{name}.nii.gz", random_volume(at))
        write_nifti(folder / f"p{patient}_seg.nii.gz", random_labels(patient, (0, 1)))
    spec = parse_spec(draft_spec("Mine", tmp_path / "mine"), "draft")
    assert spec.channels == ("flair", "t1")
    prepared = prepare(spec, tmp_path / "mine", tmp_path / "raw")
    assert prepared.cases == tuple(f"p{patient}" for patient in range(1, 7)) and not prepared.warnings
    for at in range(2):
        written = read(prepared.path / "imagesTr" / f"p3_{at:04d}.nii.gz")
        np.testing.assert_array_equal(written.array[0], random_volume(at))


def test_draft_of_pictures(tmp_path: Path) -> None:
    for at in range(6):
        write_image(tmp_path / "set" / "images" / f"img_{at}.png", random_gray(at, (8, 8, 3)))
        write_image(tmp_path / "set" / "masks" / f"img_{at}.png", random_labels(at, (0, 255), (8, 8)))
    spec = parse_spec(draft_spec("Set", tmp_path / "set"), "draft")
    assert (spec.dims, spec.channels, spec.group.by) == (2, ("R", "G", "B"), "case")
    label = prepare(spec, tmp_path / "set", tmp_path / "raw").path / "labelsTr" / "img_3.png"
    assert label.is_file()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"notes.txt": b"x"}, "holds no image; known endings"),
        ({"masks/a.png": b"x", "masks/b.png": b"x"}, "every image looks like a label map"),
    ],
)
def test_folder_without_images(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        draft_spec("X", tmp_path)


def test_label_maps_with_too_many_values(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", random_gray(0))
    write_image(tmp_path / "b.png", random_gray(1))
    write_image(tmp_path / "mask" / "a.png", np.arange(1024).reshape(32, 32).astype(np.uint8))
    with pytest.raises(DatasetError, match="more than 20 values"):
        draft_spec("X", tmp_path)


def test_command_writes_once_and_a_path_works_like_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    volumes(tmp_path / "mine")
    spec = tmp_path / "mine.yaml"
    arguments = ["tasks", "new", "Mine", "--from", str(tmp_path / "mine"), "--output", str(spec)]
    for code, words in ((0, "12 cases"), (2, "exists; give another one with --output")):
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert int(exit_.value.code or 0) == code
        output = capsys.readouterr()
        assert words in output.out + output.err
    with pytest.raises(SystemExit):
        main(["tasks", "check", str(spec), "--source", str(tmp_path / "mine")])
    assert "12 of 12 cases with their annotation, in 6 groups" in capsys.readouterr().out
    monkeypatch.setenv("RASD_SPECS", str(tmp_path))
    with pytest.raises(SystemExit):
        main(["tasks", "list", "--json"])
    assert '"key": "mine"' in capsys.readouterr().out
