"""Weights that learned from a fold's training cases are refused, on every way in, where these are held out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu.checkpoints.arms import add_arm
from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.checkpoints.hub import push_checkpoint
from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.checkpoints.seen import parse_seen, refuse_seen_in_fold
from rasd_nnu.cli.main import main
from rasd_nnu.errors import CheckpointError, ConfigError, DatasetError, PlansError, TransferError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget, planned_target
from rasd_nnu.nnunet.preprocessed import Preprocessed
from rasd_nnu.workflows.export import export_model
from tests.helpers import NAME, TinyDataset, tiny_dataset
from tests.trainers.helpers import make_trainer

CONFIGURATION = "3d_fullres"
SPLITS = [
    {"train": ["case_0", "case_1", "case_2"], "val": ["case_3"]},
    {"train": ["case_1", "case_2", "case_3"], "val": ["case_0"]},
]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    made = tiny_dataset(tmp_path, monkeypatch, preprocess=(CONFIGURATION,))
    (made.preprocessed / "splits_final.json").write_text(json.dumps(SPLITS))
    return made


def _target() -> NetworkTarget:
    return planned_target(NAME, CONFIGURATION)


def write_seen(path: Path, **changes: Any) -> torch.nn.Module:
    """Write a checkpoint that learned from the training cases of fold 0."""
    target = _target()
    cases = Preprocessed(target)
    digests = {c: {"content": cases.content_digest(c), "image": cases.image_digest(c)} for c in SPLITS[0]["train"]}
    seen = {"dataset": NAME, "fold": 0, "cases": digests} | changes
    network = build_network(target, len(target.labels) + 32)
    atomic_save(checkpoint_content(network, target, {"maps": "cases", "seen": seen, "targets": target.labels}), path)
    return network


def _copy_as(data: TinyDataset, case: str, name: str) -> None:
    """Add a case under another name, and hold it out in fold 0."""
    folder = data.preprocessed / f"nnUNetPlans_{CONFIGURATION}"
    for file in folder.glob(f"{case}*"):
        shutil.copy(file, folder / file.name.replace(case, name))
    split = {"train": SPLITS[0]["train"], "val": [name]}
    (data.preprocessed / "splits_final.json").write_text(json.dumps([split]))


def test_a_fold_that_holds_out_what_was_seen_is_refused(data: TinyDataset, tmp_path: Path) -> None:
    write_seen(tmp_path / "a.pth")
    source = open_source(tmp_path / "a.pth")
    refuse_seen_in_fold(source, _target(), "0")
    with pytest.raises(TransferError, match=r"learned from 'case_0', which fold 1 of .* -f 1 --maps cases"):
        refuse_seen_in_fold(source, _target(), "1")
    with pytest.raises(TransferError, match="Say with -f which fold"):
        refuse_seen_in_fold(source, _target(), None)
    refuse_seen_in_fold(source, _target(), "all")


def test_a_renamed_copy_is_caught_by_its_content(data: TinyDataset, tmp_path: Path) -> None:
    write_seen(tmp_path / "a.pth")
    _copy_as(data, "case_1", "somebody")
    with pytest.raises(TransferError, match=r"learned from 'somebody' \(there 'case_1' of Dataset901_Tiny\)"):
        refuse_seen_in_fold(open_source(tmp_path / "a.pth"), _target(), "0")


def test_a_renamed_copy_is_caught_by_its_raw_voxels(data: TinyDataset, tmp_path: Path) -> None:
    """Another plan preprocesses alike images otherwise; the voxels that they came from stay the same."""
    write_seen(tmp_path / "a.pth")
    source = open_source(tmp_path / "a.pth")
    for known in source.meta["seen"]["cases"].values():
        known["content"] = None
    _copy_as(data, "case_3", "somebody")
    shutil.copy(data.raw / "imagesTr" / "case_3_0000.nii.gz", data.raw / "imagesTr" / "somebody_0000.nii.gz")
    refuse_seen_in_fold(source, _target(), "0")
    shutil.copy(data.raw / "imagesTr" / "case_1_0000.nii.gz", data.raw / "imagesTr" / "somebody_0000.nii.gz")
    with pytest.raises(TransferError, match="there 'case_1'"):
        refuse_seen_in_fold(source, _target(), "0")


def _refused_by_trainer(name: str, data: TinyDataset, fold: int, capsys: pytest.CaptureFixture[str]) -> str:
    trainer = make_trainer(data, name, CONFIGURATION, fold)
    with pytest.raises(SystemExit) as end:
        trainer.on_train_start()
    assert end.value.code == 2
    return capsys.readouterr().err


def test_every_way_into_a_training(
    data: TinyDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.pth"
    write_seen(path)
    monkeypatch.setenv("RASD_CHECKPOINT", str(path))
    assert "learned from 'case_0'" in _refused_by_trainer("RaSDTrainer", data, 1, capsys)
    monkeypatch.delenv("RASD_CHECKPOINT")
    add_arm("own", path)
    assert "learned from 'case_0'" in _refused_by_trainer("RaSDTrainer_fromown", data, 1, capsys)
    main_args = ["convert", str(path), "--dataset", NAME, "-c", CONFIGURATION, "--out", str(tmp_path / "b.pth")]
    for more, message in (([], "Say with -f"), (["-f", "1"], "learned from 'case_0'")):
        with pytest.raises(SystemExit) as end:
            main([*main_args, *more])
        assert end.value.code == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        main([*main_args, "-f", "0"])
    assert not end.value.code
    monkeypatch.setenv("RASD_CHECKPOINT", str(tmp_path / "b.pth"))  # what was converted still knows what it saw
    assert "learned from 'case_0'" in _refused_by_trainer("RaSDTrainer", data, 1, capsys)
    with pytest.raises(SystemExit) as end:
        main(["inspect", str(path), "--against", NAME, "-c", CONFIGURATION, "-f", "1"])
    assert end.value.code == 1
    assert "learned from 'case_0'" in capsys.readouterr().out


def test_the_trainer_takes_its_folds_own_file_and_the_heads(data: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnunetv2.training.nnUNetTrainer.nnUNetTrainer.nnUNetTrainer.on_train_start", lambda _: None)
    network = write_seen(default_path(_target(), fold=0))
    trainer = make_trainer(data, "RaSDTrainer_1epochs", CONFIGURATION, 0)
    trainer.on_train_start()
    ours, theirs = trainer.network.state_dict(), network.state_dict()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name][: len(value)] if "seg_layers" in name else theirs[name]), name
    report = json.loads((Path(trainer.output_folder) / "transfer_report.json").read_text())
    assert report["checkpoint"]["chosen_by"] == "default folder, fold 0"
    assert list(report["checkpoint"]["rasd"]["seen"]["cases"]) == SPLITS[0]["train"]
    learned = {"dataset": NAME, "fold": 0, "cases": sorted(SPLITS[0]["train"])}
    assert report["checkpoint"]["learned_from"] == learned
    heads = [t for t in report["transfer"]["tensors"] if t["part"] == "head"]
    assert {t["action"] for t in heads} == {"adapted"}
    assert "the first 3 of 35 rows" in heads[0]["reason"]


def test_export_checks_again(data: TinyDataset, tmp_path: Path) -> None:
    write_seen(default_path(_target(), fold=0))
    trainer = make_trainer(data, "RaSDTrainer_1epochs_1iters", CONFIGURATION, 0)
    trainer.on_train_start()
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_final.pth"))
    trainer.on_train_end()
    model = Path(trainer.output_folder_base)
    export_model(model, tmp_path / "out")
    (data.preprocessed / "splits_final.json").write_text(json.dumps(SPLITS[1:]))
    with pytest.raises(TransferError, match="learned from 'case_0', which fold 0"):
        export_model(model, tmp_path / "out", overwrite=True)


def test_what_names_cases_is_not_published(data: TinyDataset, tmp_path: Path) -> None:
    write_seen(tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="holds their names"):
        push_checkpoint(tmp_path / "a.pth", "hf://me/rasd")


def test_a_damaged_entry_is_no_way_around(data: TinyDataset, tmp_path: Path) -> None:
    write_seen(tmp_path / "a.pth", cases={})
    with pytest.raises(CheckpointError, match="damaged entry 'rasd': seen.cases"):
        open_source(tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="damaged entry 'seen'"):
        parse_seen(tmp_path / "a.pth", {"dataset": NAME})


def test_folds(data: TinyDataset) -> None:
    cases = Preprocessed(_target())
    assert cases.fold("1").validation == ("case_0",)
    with pytest.raises(ConfigError, match="no fold 2 of Dataset901_Tiny, expected 0 to 1"):
        cases.fold(2)
    with pytest.raises(ConfigError, match="expected a number"):
        cases.fold("-1")
    splits = data.preprocessed / "splits_final.json"
    splits.write_text(json.dumps([{"train": ["nobody"], "val": []}]))
    with pytest.raises(DatasetError, match="'nobody' is not in"):
        cases.fold(0)
    splits.write_text("{")
    with pytest.raises(DatasetError, match="splits_final.json"):
        cases.fold(0)
    splits.unlink()
    with pytest.raises(DatasetError, match="has 4 cases and no splits_final.json"):
        cases.fold(0)
    shutil.rmtree(data.preprocessed / f"nnUNetPlans_{CONFIGURATION}")
    with pytest.raises(PlansError, match="no preprocessed cases"):
        Preprocessed(_target())
