from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import surface_distance

from rasd_nnu.compare import compare_summaries
from rasd_nnu.compare.statistics import Request
from rasd_nnu.compare.surface import CACHE, add_surface_metrics, of_label, parse_metrics, surface_metrics
from rasd_nnu.errors import CompareError

SPACING = (3.0, 1.5, 1.0)  # mm, along the axes of the array


def _ball(centre: tuple[float, ...], radius_mm: float, shape: tuple[int, ...] = (16, 32, 40)) -> np.ndarray:
    grid = np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, SPACING, strict=True)), indexing="ij")
    return sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True)) <= radius_mm**2


@pytest.mark.parametrize("shift_mm", [0.0, 1.5, 6.0])
def test_agrees_with_the_surface_distance_package(shift_mm: float) -> None:
    """MONAI measures between voxel edges, surface-distance between surface elements: NSD agrees, HD95 to a voxel."""
    reference, prediction = _ball((24, 24, 18), 11), _ball((24, 24 + shift_mm, 18), 10)
    found = of_label(prediction, reference, SPACING, tolerance_mm=2.0)
    distances = surface_distance.compute_surface_distances(reference, prediction, SPACING)
    nsd = surface_distance.compute_surface_dice_at_tolerance(distances, 2.0)
    hd95 = surface_distance.compute_robust_hausdorff(distances, 95)
    assert found["nsd"] == pytest.approx(nsd, abs=0.01)
    assert found["hd95"] == pytest.approx(hd95, abs=max(SPACING))


def test_a_plane_moved_by_a_known_distance() -> None:
    reference, prediction = np.zeros((2, 12, 10, 10), bool)
    reference[2:6], prediction[2:8] = True, True  # one face of the slab is 2 voxels of 3 mm further
    assert of_label(prediction, reference, SPACING, 1.0)["hd95"] == pytest.approx(6.0)
    assert of_label(prediction, reference, SPACING, 7.0)["nsd"] == pytest.approx(1.0)


def test_empty_masks_follow_metrics_reloaded() -> None:
    full, empty = _ball((24, 24, 18), 8), np.zeros((16, 32, 40), bool)
    worst = of_label(empty, full, SPACING, 1.0)
    assert worst == {"nsd": 0.0, "hd95": pytest.approx(math.hypot(48, 48, 40))}
    assert all(math.isnan(v) for v in of_label(full, empty, SPACING, 1.0).values())
    assert of_label(full, full, SPACING, 1.0) == {"nsd": 1.0, "hd95": 0.0}


def _folder(root: Path, arm: str, shift: float) -> Path:
    """A folder of predictions with its summary, as nnU-Net leaves it."""
    folder = root / arm
    folder.mkdir()
    (root / "labels").mkdir(exist_ok=True)
    entries = []
    for i in range(3):
        reference = _ball((24, 24, 18), 8 + i).astype(np.uint8)
        prediction = _ball((24, 24 + shift, 18), 8 + i).astype(np.uint8)
        files = [root / "labels" / f"c{i}.nii.gz", folder / f"c{i}.nii.gz"]
        for file, array in zip(files, (reference, prediction), strict=True):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing(SPACING[::-1])
            sitk.WriteImage(image, str(file))
        tp = int((reference & prediction).sum())
        counts = {"TP": tp, "FP": int(prediction.sum()) - tp, "FN": int(reference.sum()) - tp}
        moved = f"/elsewhere/c{i}.nii.gz"  # as after the folder was moved
        entries.append({"reference_file": str(files[0]), "prediction_file": moved, "metrics": {"1": counts}})
    (folder / "summary.json").write_text(json.dumps({"metric_per_case": entries}))
    return folder / "summary.json"


def test_comparison_with_surface_metrics_and_its_cache(tmp_path: Path) -> None:
    a, b = _folder(tmp_path, "rasd", 1.5), _folder(tmp_path, "scratch", 6.0)
    plain = compare_summaries(a, b, names=("rasd", "scratch"))
    found = add_surface_metrics(plain, ("nsd", "hd95"), 2.0, workers=1, request=Request())
    nsd, hd95 = found.others["NSD at 2 mm"], found.others["HD95 in mm"]
    assert nsd.difference > 0 and hd95.difference < 0
    assert nsd.favour > 0 and hd95.favour > 0
    assert (hd95.wins, hd95.losses) == (3, 0)
    cache = tmp_path / "rasd" / CACHE
    content = json.loads(cache.read_text())
    content["cases"]["c0"]["1"]["nsd"] = 0.125  # shows that the second call reads the cache
    cache.write_text(json.dumps(content))
    assert surface_metrics(a, 2.0)["c0"]["1"]["nsd"] == 0.125
    assert surface_metrics(a, 3.0)["c0"]["1"]["nsd"] != 0.125  # another tolerance is another measurement


def test_missing_files_and_other_grids_are_one_line(tmp_path: Path) -> None:
    summary = _folder(tmp_path, "rasd", 1.5)
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 4, 4), np.uint8)), str(summary.parent / "c1.nii.gz"))
    with pytest.raises(CompareError, match=r"has the shape \(4, 4, 4\), but its reference \(16, 32, 40\)"):
        surface_metrics(summary, 2.0)
    (summary.parent / "c1.nii.gz").write_bytes(b"x")
    with pytest.raises(CompareError, match="cannot read the segmentations of case 'c1'"):
        surface_metrics(summary, 2.0)
    (summary.parent / "c1.nii.gz").unlink()
    with pytest.raises(CompareError, match="the prediction of case 'c1' is needed"):
        surface_metrics(summary, 2.0)
    with pytest.raises(CompareError, match="metric 'asd' is unknown; expected some of dice, nsd, hd95"):
        parse_metrics(["dice", "asd"])
