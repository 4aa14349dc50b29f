from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from rasd_nnu.cli.main import main
from tests.features.parts import blobs, image_of, ours

FAST = ["--grid", "3", "--reach", "2", "--iterations", "20", "--fine-grid", "2"]


def run(args: list[Any], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["register", *map(str, args)])
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for name, shift in (("fixed", (0, 0, 0)), ("moving", (2, 0, -2))):
        image = image_of(blobs((16, 16, 20), shift))
        found[name], found[f"{name}_labels"] = tmp_path / f"{name}.nii.gz", tmp_path / f"{name}_labels.nii.gz"
        sitk.WriteImage(image, str(found[name]))
        sitk.WriteImage(sitk.Cast(image > 0.5, sitk.sitkUInt8), str(found[f"{name}_labels"]))
    found["checkpoint"] = ours(tmp_path / "net.pth")
    return found


@pytest.mark.parametrize("by", ["mind", "checkpoint"])
def test_files_of_a_registration(
    by: str, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ["--on", by] if by == "mind" else ["--checkpoint", files["checkpoint"]]
    labels = ["--fixed-labels", files["fixed_labels"], "--moving-labels", files["moving_labels"]]
    out = tmp_path / "out"
    code, text, err = run([files["fixed"], files["moving"], out, *how, *labels, *FAST], capsys)
    assert (code, err) == (0, ""), err
    report = json.loads((out / "run_report.json").read_text())
    row = report["labels"][0]
    if by == "mind":
        assert row["dice"] > row["dice_before"] + 0.1 and row["hd95"] < row["hd95_before"]
    assert f"Dice {row['dice_before']:.3f} -> {row['dice']:.3f}" in text
    # The written field, applied by SimpleITK alone, gives the written labels.
    fixed, moving = sitk.ReadImage(str(files["fixed"])), sitk.ReadImage(str(files["moving_labels"]))
    field = sitk.DisplacementFieldTransform(sitk.ReadImage(str(out / "field.nii.gz"), sitk.sitkVectorFloat64))
    again = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, field, sitk.sitkNearestNeighbor))
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "labels.nii.gz")))
    assert (again != written).mean() < 0.002
    assert sorted(p.name for p in out.iterdir()) == [
        "field.nii.gz",
        "labels.nii.gz",
        "run_report.json",
        "warped.nii.gz",
    ]
    assert run([files["fixed"], files["moving"], out, *how], capsys)[0] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "either --checkpoint CKPT"),
        ({"--on": "mind", "--checkpoint": "x.pth"}, "either --checkpoint CKPT"),
        ({"--on": "mind", "--fixed-labels": "moving"}, "needs --moving-labels"),
        ({"--on": "mind", "--spacing": "1,0,1"}, "--spacing"),
        ({"--on": "mind", "--grid": "0"}, "grid_sp is 0"),
        ({"--on": "mind", "--grid": "12"}, "smaller --grid"),
        ({"--checkpoint": "flat"}, "expected a 3D one"),
        ({"--checkpoint": "net.pth", "-c": "2d"}, "needs --dataset"),
    ],
)
def test_bad_input_is_one_line(
    change: dict[str, str], message: str, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours(tmp_path / "flat.pth", dims=2)
    known = {"flat": tmp_path / "flat.pth", "net.pth": files["checkpoint"], "moving": files["moving"]}
    args = [part for key, value in change.items() for part in (key, known.get(value, value))]
    code, out, err = run([files["fixed"], files["moving"], tmp_path / "out", *args], capsys)
    assert (code, out, err.count("\n")) == (2, "", 1) and message in err
    assert not (tmp_path / "out").exists()


def test_labels_of_another_size(files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sitk.WriteImage(image_of(np.ones((3, 3, 3), np.uint8)), str(tmp_path / "small.nii.gz"))
    args = [
        files["fixed"],
        files["moving"],
        tmp_path / "out",
        "--on",
        "mind",
        "--moving-labels",
        tmp_path / "small.nii.gz",
    ]
    code, _, err = run(args, capsys)
    assert code == 2 and "has the size (3, 3, 3)" in err and not (tmp_path / "out").exists()
