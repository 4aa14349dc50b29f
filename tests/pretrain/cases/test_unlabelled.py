"""Images without labels among the cases: their regions are learned, their targets are not, and no copy is held out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from rasd_nnu.checkpoints.file import load_checkpoint
from rasd_nnu.checkpoints.seen import parse_seen, refuse_seen
from rasd_nnu.cli.main import main
from rasd_nnu.errors import DatasetError, TransferError
from rasd_nnu.nnunet.plans import planned_target
from rasd_nnu.pretrain.cases import CaseBatches, open_cases
from rasd_nnu.pretrain.cases.patches import IGNORE, Patches
from rasd_nnu.pretrain.stream import Share
from rasd_nnu.pretrain.synthesis import SynthesisConfig
from tests.helpers import NAME, TinyDataset, tiny_dataset

CONFIGURATION = "3d_fullres"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyDataset]:
    yield tiny_dataset(tmp_path / "tiny", monkeypatch, preprocess=(CONFIGURATION,))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "unlabelled"
    home.mkdir()
    for number in range(2):
        image = np.random.default_rng(number).normal(size=(26, 24, 28)).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(image, np.eye(4)), home / f"new_{number}_0000.nii.gz")
    return home


def test_they_are_preprocessed_as_the_cases_are(data: TinyDataset, folder: Path) -> None:
    shutil.copy(data.raw / "imagesTr" / "case_0_0000.nii.gz", folder / "copy_0000.nii.gz")
    target = planned_target(NAME, CONFIGURATION)
    cases = open_cases(target, 0, unlabelled=folder)
    assert cases.unlabelled is not None
    assert cases.unlabelled.names == ("copy", "new_0", "new_1")
    assert np.array_equal(cases.unlabelled.load(0), cases.data.load("case_0")[0][:])
    assert cases.unlabelled.digests["copy"] == cases.seen["cases"]["case_0"]
    written = {file: file.stat().st_mtime_ns for file in cases.unlabelled.files}
    again = open_cases(target, 0, unlabelled=folder).unlabelled
    assert again is not None and {file: file.stat().st_mtime_ns for file in again.files} == written


def test_patches_of_them_have_regions_and_no_targets(data: TinyDataset, folder: Path) -> None:
    target = planned_target(NAME, CONFIGURATION)
    cases = open_cases(target, 0, unlabelled=folder)
    config = SynthesisConfig.preset(shape=target.patch_size, classes=3, channels=1)
    image, label = CaseBatches(cases, config, 3, Share(12, 0, 1), torch.device("cpu"))[0]
    assert image.isfinite().all()
    known = (label[:, 1] != IGNORE).flatten(1)
    assert torch.equal(known.any(1), known.all(1))
    assert {True, False} == set(known.any(1).tolist())
    for regions in label[~known.any(1), 0]:
        assert len(regions.unique()) > 1


def test_without_them_nothing_changes(data: TinyDataset, folder: Path) -> None:
    cases = open_cases(planned_target(NAME, CONFIGURATION), 0, unlabelled=folder)
    alone, both = (Patches(cases.data, cases.fold.train, (24,) * 3, unlabelled=u) for u in (None, cases.unlabelled))
    for k in range(4):  # around a target only cases are drawn, and as before
        patches = [p.draw(np.random.default_rng(k), foreground=1.0) for p in (alone, both)]
        assert all(np.array_equal(*pair) for pair in zip(*patches, strict=True))


def test_a_copy_of_a_held_out_case_is_caught(
    data: TinyDataset, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(data.raw / "imagesTr" / "case_3_0000.nii.gz", folder / "renamed_0000.nii.gz")
    out = tmp_path / "a.pth"
    args = ["pretrain", "--dataset", NAME, "-c", CONFIGURATION, "--maps", "cases", "-f", "0", "--unlabelled"]
    with pytest.raises(SystemExit) as end:
        main([*args, str(folder), "--iterations", "1", "--device", "cpu", "--out", str(out)])
    assert not end.value.code
    assert "3 training cases of fold 0 of Dataset901_Tiny, 3 images without labels" in capsys.readouterr().out
    seen = parse_seen(out, load_checkpoint(out)["rasd"]["seen"])
    with pytest.raises(TransferError, match=r"learned from 'case_3' \(there 'renamed' of the images without labels\)"):
        refuse_seen(seen, planned_target(NAME, CONFIGURATION), 0, ["case_3"])


def _two_channels(folder: Path) -> None:
    shutil.copy(folder / "new_0_0000.nii.gz", folder / "new_0_0001.nii.gz")


def _first_missing(folder: Path) -> None:
    (folder / "new_1_0000.nii.gz").rename(folder / "new_1_0001.nii.gz")


def _four_axes(folder: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8, 8, 2), np.float32), np.eye(4)), folder / "new_0_0000.nii.gz")


def _damaged(folder: Path) -> None:
    (folder / "new_0_0000.nii.gz").write_bytes(b"no image")


def _not_finite(folder: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.full((8,) * 3, np.nan, np.float32), np.eye(4)), folder / "new_0_0000.nii.gz")


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_two_channels, "'new_0' has the channels 0, 1, expected 0 to 0"),
        (_first_missing, "'new_1' has the channels 1, expected 0 to 0"),
        (_four_axes, "new_0_0000.nii.gz"),
        (_damaged, "cannot read"),
        (_not_finite, "not finite"),
        (_empty, "has no images NAME_0000.nii.gz"),
    ],
)
def test_what_does_not_fit_is_refused(data: TinyDataset, folder: Path, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    spoil(folder)
    with pytest.raises(DatasetError, match=message):
        open_cases(planned_target(NAME, CONFIGURATION), 0, unlabelled=folder)
    assert not list(data.preprocessed.rglob("*.rasd_tmp"))


def test_they_need_maps_of_cases(data: TinyDataset, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["pretrain", "--dataset", NAME, "-c", CONFIGURATION, "--unlabelled", str(folder)])
    assert end.value.code == 2
    assert "--unlabelled needs --maps cases or mixed" in capsys.readouterr().err
