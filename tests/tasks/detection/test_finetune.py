"""A detection data set of small volumes, through the command."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch

from rasd_nnu.cli.main import main
from rasd_nnu.records import read_detections
from rasd_nnu.tasks.curve import CURVE, read_curve
from rasd_nnu.tasks.detection import train as train_module
from rasd_nnu.tasks.detection.data import read_data
from rasd_nnu.tasks.detection.model import Model
from tests.helpers import CASES, EDGE, TinyDataset, tiny_dataset
from tests.tasks.helpers import fails, fold_of, run, train_again_with_a_stop
from tests.trainers.helpers import write_checkpoint

NAMES = [f"case_{i}" for i in range(CASES)]
TRAIN, VALID = NAMES[::2], NAMES[1::2]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    """Turn the tiny data set into one of detection: two cases to train on, the second of them without a box."""
    tiny = tiny_dataset(tmp_path, monkeypatch, preprocess=("3d_fullres",))
    monkeypatch.setattr(train_module, "LEAST_PATCHES", 8)
    content = json.loads((tiny.raw / "dataset.json").read_text()) | {"task": "detection"}
    (tiny.raw / "dataset.json").write_text(json.dumps(content))
    with (tiny.raw / "cases.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["case", "group", "split"], *([name, name, "train"] for name in NAMES)])
    (tiny.raw / "splits_final.json").write_text(json.dumps([{"train": TRAIN, "val": VALID}]))
    _write_boxes(tiny)
    return tiny


def _write_boxes(tiny: TinyDataset, **changes: Any) -> None:
    """Write ``boxes.json`` of what is in the label maps; ``changes`` replace values of the first box."""
    images, boxes = [], []
    for number, name in enumerate(NAMES):
        file = f"imagesTr/{name}_0000.nii.gz"
        size = {"width": EDGE, "height": EDGE, "depth": EDGE}
        images.append({"id": number, "case": name, "file_name": file, **size})
        label = np.asarray(nibabel.load(tiny.raw / "labelsTr" / f"{name}.nii.gz").dataobj)
        for value in () if number == 2 else (1, 2):
            where = np.argwhere(label == value)
            low, high = where.min(0), where.max(0) + 1
            boxes.append({"image_id": number, "category_id": value, "bbox": [*low.tolist(), *(high - low).tolist()]})
    boxes[0] |= changes
    categories = [{"id": 1, "name": "bright"}, {"id": 2, "name": "dark"}]
    content = {"categories": categories, "images": images, "annotations": boxes}
    (tiny.raw / "boxes.json").write_text(json.dumps(content))


def _folder(tiny: TinyDataset, arm: str = "") -> Path:
    return fold_of(tiny, "Detector", arm)


def test_both_arms_write_records_and_a_model_that_predicts(
    data: TinyDataset, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_checkpoint(data)
    assert run(data, "--arm", "rasd", "--transfer", "whole") == 0
    assert "decoder" in capsys.readouterr().err
    assert run(data, "--arm", "scratch") == 0
    reports = [json.loads((_folder(data, arm) / "transfer_report.json").read_text()) for arm in ("", "_scratch")]
    assert reports[0]["transfer"]["shares"]["decoder"]["parameters"] == 1.0
    assert reports[1]["transfer"] is None
    records = read_detections(_folder(data) / "validation" / "detections.json")
    assert [case.case for case in records.cases] == VALID
    assert records.classes == ("bright", "dark")
    assert records.cases[0].boxes_true == read_data(data.raw).cases[1].boxes
    assert json.loads((_folder(data) / "scores.json").read_text())["validation"]["classes"].keys() == {"bright", "dark"}

    out = tmp_path / "found.json"
    with pytest.raises(SystemExit, match="^0$"):
        main(["predict", str(_folder(data)), str(data.raw / "imagesTr"), str(out), "--device", "cpu"])
    found = {case["case"]: case for case in json.loads(out.read_text())["cases"]}
    assert sorted(found) == NAMES
    known = records.cases[0]
    assert np.allclose(found[known.case]["scores"], known.scores, atol=1e-4)
    with pytest.raises(SystemExit, match="^0$"):
        main(["compare", str(data.id), "-c", "3d_fullres", "--trainer", "RaSDDetector_2epochs_seed0", "-f", "0"])
    fails(data, "holds a finished training", capsys)
    model = torch.load(_folder(data) / "model.pth", weights_only=True)
    first = next(iter(model["network_weights"]))
    weights = {key: value for key, value in model["network_weights"].items() if key != first}
    damaged = [
        (model | {"network_weights": weights}, "does not fit the network of its plans: "),
        ({key: value for key, value in model.items() if key != "anchors"}, "'anchors' is missing"),
        (model | {"dataset_json": model["dataset_json"] | {"channel_names": {"0": "R", "1": "G"}}}, "does not fit"),
        ({"network_weights": {}}, "is no classifier"),
    ]
    for content, said in damaged:
        torch.save(content, tmp_path / "model.pth")
        with pytest.raises(SystemExit, match="^2$"):
            main(["predict", str(tmp_path), str(data.raw / "imagesTr"), str(tmp_path / "no.json"), "--device", "cpu"])
        (line,) = capsys.readouterr().err.splitlines()
        assert said in line
    assert not (tmp_path / "no.json").exists()


def test_a_resumed_training_ends_with_the_weights_of_an_uninterrupted_one(
    data: TinyDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(data, "--arm", "scratch") == 0
    whole = Model.load(_folder(data, "_scratch")).detector.network.state_dict()
    curve = read_curve(_folder(data, "_scratch") / CURVE)
    assert list(curve) == [1, 2]
    train_again_with_a_stop(data, monkeypatch)
    resumed = Model.load(_folder(data, "_scratch")).detector.network.state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    assert read_curve(_folder(data, "_scratch") / CURVE) == curve


def test_bad_input_is_one_line(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    fails(data, "there is no fold 3, expected 0 to 0", capsys, "-f", "3")
    fails(data, "5 labelled cases are asked for, but the fold has 2", capsys, "--labelled", "5")
    fails(data, "--series is for classification", capsys, "--series")
    _write_boxes(data, bbox=[20, 2, 2, 6, 6, 6])
    fails(data, "inside of an image of 24 x 24 x 24", capsys)
    _write_boxes(data, bbox=[2, 2, 2, 6, 0, 6])
    fails(data, "sizes above 0", capsys)
    _write_boxes(data, bbox=[2, 2, 6, 6])
    fails(data, "lower corner and sizes", capsys)
    _write_boxes(data, bbox=["a", 2, 2, 6, 6, 6])
    fails(data, "is not in COCO's form: annotations.0.bbox.0", capsys)
    _write_boxes(data, category_id=7)
    fails(data, "category 7 in case 'case_0', expected one of 1, 2", capsys)
    _write_boxes(data, image_id=9)
    fails(data, "has a box of image 9, which it lacks", capsys)
    _write_boxes(data)
    (data.raw / "splits_final.json").write_text(json.dumps([{"train": NAMES, "val": NAMES[:1]}]))
    fails(data, "'case_0' of Dataset901_Tiny is on two sides of fold 0", capsys)
    (data.raw / "splits_final.json").write_text(json.dumps([{"train": NAMES[2:3], "val": NAMES[:1]}]))
    fails(data, "no training case of fold 0", capsys)
    (data.raw / "splits_final.json").write_text(json.dumps([{"train": TRAIN, "val": VALID}]))
    table = data.raw / "cases.csv"
    table.write_text(table.read_text().replace("case_3,case_3,train", "case_3,case_3,test"))
    fails(data, "'case_3' of Dataset901_Tiny is on two sides of fold 0", capsys)
    content = json.loads((data.raw / "boxes.json").read_text())
    content["images"][1]["case"] = "case_0"
    (data.raw / "boxes.json").write_text(json.dumps(content))
    fails(data, "two images have case 'case_0'", capsys)
    _write_boxes(data)
    (data.raw / "imagesTr" / "case_1_0000.nii.gz").unlink()
    fails(data, "case 'case_1' of Dataset901_Tiny has no image 'imagesTr/case_1_0000.nii.gz'", capsys)


def test_an_image_that_goes_bad_within_an_epoch_is_named(
    data: TinyDataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, broken = train_module.detection_loss, data.preprocessed / "nnUNetPlans_3d_fullres" / "case_2.b2nd"

    def loss_and_damage(*args: Any) -> torch.Tensor:
        broken.write_bytes(b"half")
        return loss(*args)

    monkeypatch.setattr(train_module, "detection_loss", loss_and_damage)
    fails(data, "cannot read the preprocessed case 'case_2'", capsys, "--epochs", "4", "--labelled", "2")
    folder = data.results / "RaSDDetector_scratch_n2_4epochs_seed0__nnUNetPlans__3d_fullres" / "fold_0"
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["transfer_report.json"]


def test_weights_that_learned_from_a_held_out_case_are_refused(
    data: TinyDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(data)
    path = next((data.root / "checkpoints").rglob("*.pth"))
    content = torch.load(path, weights_only=True)
    content["rasd"]["maps"] = "cases"
    seen = {"case_3": {"content": "0" * 64, "image": None}}
    content["rasd"]["seen"] = {"dataset": data.name, "fold": 0, "cases": seen}
    torch.save(content, path)
    fails(data, "learned from 'case_3'", capsys, "--arm", "rasd")
