"""A classification data set of small volumes, through the command."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu.cli.main import main
from rasd_nnu.nnunet.plans import planned_target
from rasd_nnu.records.classification import read_predictions
from rasd_nnu.tasks.classification import train as train_module
from rasd_nnu.tasks.classification.data import Questions, fixed_size
from rasd_nnu.tasks.classification.model import Model
from rasd_nnu.tasks.classification.network import build_classifier
from rasd_nnu.tasks.curve import CURVE, read_curve
from tests.helpers import TinyDataset, tiny_dataset
from tests.tasks.helpers import fails, fold_of, run, train_again_with_a_stop
from tests.trainers.helpers import write_checkpoint


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    tiny = tiny_dataset(tmp_path, monkeypatch, preprocess=("3d_fullres",))
    monkeypatch.setattr("rasd_nnu.tasks.classification.train.ClassificationRecipe.least", 4, raising=False)
    _describe(tiny, ["label"], {"label": {"small": 0, "large": 1}})
    return tiny


def _names(tiny: TinyDataset) -> list[str]:
    return sorted(p.name.removesuffix("_0000.nii.gz") for p in (tiny.raw / "imagesTr").glob("*_0000.nii.gz"))


def _describe(
    tiny: TinyDataset, questions: list[str], classes: dict[str, Any], truth: list[list[str]] | None = None
) -> None:
    """Turn the data set into one of classification: three cases to train on, one to validate."""
    content = json.loads((tiny.raw / "dataset.json").read_text()) | {"task": "classification", "classes": classes}
    (tiny.raw / "dataset.json").write_text(json.dumps(content))
    names = _names(tiny)
    rows = truth or [[str(i % 2)] * len(questions) for i in range(len(names))]
    with (tiny.raw / "cases.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["case", "group", "split", *questions])
        table.writerows([name, name, "train", *row] for name, row in zip(names, rows, strict=True))
    (tiny.raw / "splits_final.json").write_text(json.dumps([{"train": names[:3], "val": names[3:]}]))


def _folder(tiny: TinyDataset, arm: str = "") -> Path:
    return fold_of(tiny, "Classifier", arm)


def test_both_arms_write_records_and_a_model_that_predicts(
    data: TinyDataset, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_checkpoint(data)
    assert run(data, "--arm", "rasd") == 0
    assert run(data, "--arm", "scratch") == 0
    reports = [json.loads((_folder(data, arm) / "transfer_report.json").read_text()) for arm in ("", "_scratch")]
    assert reports[0]["transfer"]["shares"]["encoder"]["parameters"] == 1.0
    assert reports[1]["transfer"] is None
    predictions = read_predictions(_folder(data) / "validation" / "predictions.csv")
    assert [case.case for case in predictions.cases] == _names(data)[3:]
    assert predictions.classes == ("small", "large")

    out = tmp_path / "predicted.csv"
    with pytest.raises(SystemExit, match="^0$"):
        main(["predict", str(_folder(data)), str(data.raw / "imagesTr"), str(out), "--device", "cpu"])
    with out.open() as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert sorted(rows) == _names(data)
    known = predictions.cases[0]
    assert float(rows[known.case]["prob_large"]) == pytest.approx(known.probabilities["large"], abs=1e-5)
    fails(data, "holds a finished training", capsys)
    command = ["compare", str(data.id), "-c", "3d_fullres", "--trainer", "RaSDClassifier_2epochs", "--seeds"]
    with pytest.raises(SystemExit, match="^2$"):
        main([*command, "0"])
    assert "n = 1: 1 cases are paired" in capsys.readouterr().err  # one patient validates
    with pytest.raises(SystemExit, match="^2$"):
        main([*command, "1"])
    assert f"`rasd_nnu finetune {data.id} -c 3d_fullres -f 0 --arm rasd --epochs 2 --seed 1`" in capsys.readouterr().err


def test_a_resumed_training_ends_with_the_weights_of_an_uninterrupted_one(
    data: TinyDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(data, "--arm", "scratch") == 0
    whole = Model.load(_folder(data, "_scratch")).network.state_dict()
    curve = read_curve(_folder(data, "_scratch") / CURVE)
    assert list(curve) == [1, 2]
    train_again_with_a_stop(data, monkeypatch)
    resumed = Model.load(_folder(data, "_scratch")).network.state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    assert read_curve(_folder(data, "_scratch") / CURVE) == curve


def test_several_findings_with_one_unknown(data: TinyDataset) -> None:
    yes_no = {"no": 0, "yes": 1}
    truth = [["0", "1"], ["1", ""], ["0", "0"], ["1", ""]]
    _describe(data, ["edema", "mass"], {"edema": yes_no, "mass": yes_no}, truth)
    assert run(data, "--arm", "scratch") == 0
    case = read_predictions(_folder(data, "_scratch") / "validation" / "predictions.csv").cases[0]
    assert case.labels == {"edema": 1, "mass": None}


def test_bad_input_is_one_line(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    classes = {"label": {"small": 0, "large": 1}}
    fails(data, "no pre-trained checkpoint", capsys, "--arm", "rasd")
    fails(data, "there is no fold 3, expected 0 to 0", capsys, "-f", "3")
    fails(data, "5 labelled cases are asked for", capsys, "--labelled", "5")
    fails(data, "--iterations is for segmentation", capsys, "--iterations", "5")
    _describe(data, ["label"], classes, [["1"], ["1"], ["1"], ["0"]])
    fails(data, "training cases of fold 0 of Dataset901_Tiny have one class only for 'label' (large)", capsys)
    _describe(data, ["label"], classes, [["1"], [""], ["1"], ["0"]])
    fails(data, "has '' as 'label', expected a number from 0 to 1", capsys)
    _describe(data, ["label"], classes)
    names = _names(data)
    (data.raw / "splits_final.json").write_text(json.dumps([{"train": names, "val": names[:1]}]))
    fails(data, "is on two sides of fold 0", capsys)


def test_few_labelled_cases_of_one_patient_may_have_one_class(
    data: TinyDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    table = data.raw / "cases.csv"
    first, second, *_ = (data.raw / "cases.csv").read_text().splitlines()[1:]
    one = f"{first.split(',')[0]},one,train,0"
    two = f"{second.split(',')[0]},one,train,0"
    table.write_text(table.read_text().replace(first, one).replace(second, two))
    third = _names(data)[2]
    table.write_text(table.read_text().replace(f"{third},{third},train,0", f"{third},{third},train,1"))
    fails(
        data,
        "the 2 labelled cases of Dataset901_Tiny have one class only for 'label' (small)",
        capsys,
        "--labelled",
        "2",
    )


def test_nothing_is_removed_before_its_successor_can_begin(
    data: TinyDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    model = _folder(data) / "model.pth"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"earlier")
    fails(data, "no pre-trained checkpoint", capsys, "--arm", "rasd", "--overwrite")
    assert model.read_bytes() == b"earlier"


def test_an_image_that_went_bad_is_named(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    broken = next((data.preprocessed / "nnUNetPlans_3d_fullres").glob(f"{_names(data)[1]}*.b2nd"))
    broken.write_bytes(b"half")
    fails(data, f"cannot read the preprocessed case '{_names(data)[1]}'", capsys)


def test_weights_that_learned_from_a_held_out_case_are_refused(
    data: TinyDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(data)
    path = next((data.root / "checkpoints").rglob("*.pth"))
    content = torch.load(path, weights_only=True)
    digests = {"content": "0" * 64, "image": None}
    cases = {_names(data)[3]: digests}
    content["rasd"]["maps"] = "cases"
    content["rasd"]["seen"] = {"dataset": data.name, "fold": 0, "cases": cases}
    torch.save(content, path)
    fails(data, f"learned from '{_names(data)[3]}'", capsys, "--arm", "rasd")


def test_images_are_padded_or_resized_to_one_size() -> None:
    small, large = torch.ones(1, 4, 6), torch.ones(1, 16, 8)
    padded = fixed_size(small, (8, 8))
    assert (padded.shape, float(padded.sum())) == ((1, 8, 8), 24.0)
    assert torch.allclose(fixed_size(large, (8, 8)), torch.ones(1, 8, 8))


def test_unknown_answers_add_nothing_to_the_loss() -> None:
    questions = Questions(("a", "b"), (("no", "yes"), ("no", "yes")))
    logits = torch.tensor([[0.0, 5.0]])
    loss = train_module.classification_loss(logits, torch.tensor([[1, -1]]), questions)
    assert float(loss) == pytest.approx(0.6931, abs=1e-4)


def test_series_are_seen_one_by_one_and_weighed(data: TinyDataset, capsys: pytest.CaptureFixture[str]) -> None:
    target = dataclasses.replace(planned_target(data.name, "3d_fullres"), input_channels=2, normalization=())
    network, _ = build_classifier(target, 3, dropout=0.0, seed=0, series=True)
    network.eval()
    image = torch.randn(2, 2, *target.patch_size)
    blank = torch.zeros_like(image)
    alone = [torch.stack([image[:, 0], blank[:, 1]], 1), torch.stack([blank[:, 0], image[:, 1]], 1)]
    vectors = torch.stack([network.encoder(view)[-1].flatten(2).mean(2) for view in alone], 1)
    assert network.attention is not None
    weights = network.attention.score(vectors).softmax(1)
    assert torch.allclose(network(image), network.linear((weights * vectors).sum(1)), atol=1e-5)
    fails(data, "--series is for several channels", capsys, "--series")
