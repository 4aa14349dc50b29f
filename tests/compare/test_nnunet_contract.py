"""The summaries are read as nnU-Net itself writes them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nnunetv2.evaluation.evaluate_predictions import compute_metrics, save_summary_json
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO
from nnunetv2.utilities.json_export import recursive_fix_for_json_export

from rasd_nnu.compare.records import read_summary


def _write(path: Path, voxels: list[int]) -> str:
    image = np.array(voxels, dtype=np.uint8).reshape(2, 2, 2)
    nib.save(nib.Nifti1Image(image, np.eye(4)), path)
    return str(path)


def test_counts_and_dice_equal_nnunets(tmp_path: Path) -> None:
    (tmp_path / "gt").mkdir()
    entries = []
    for case, reference, prediction in (
        ("c1", [1, 1, 2, 2, 0, 0, 0, 0], [1, 0, 2, 2, 2, 0, 0, 0]),
        ("c2", [1, 1, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0]),
    ):
        files = _write(tmp_path / "gt" / f"{case}.nii.gz", reference), _write(tmp_path / f"{case}.nii.gz", prediction)
        entries.append(compute_metrics(*files, NibabelIO(), [1, 2, (1, 2)]))
    dice = {(i, label): values["Dice"] for i, e in enumerate(entries) for label, values in e["metrics"].items()}
    for entry in entries:
        recursive_fix_for_json_export(entry)
    save_summary_json({"metric_per_case": entries, "mean": {}}, str(tmp_path / "summary.json"))

    records = read_summary(tmp_path / "summary.json")

    assert list(records) == ["c1", "c2"]
    for i, case in enumerate(records):
        for label in (1, 2, (1, 2)):
            assert records[case][str(label)].dice == pytest.approx(dice[i, label], nan_ok=True)
    assert np.isnan(dice[1, 2])
    assert records["c1"]["2"].in_reference == 2
