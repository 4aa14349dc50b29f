"""Pictures of notable cases of detections and classifications."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rasd_nnu.compare.classification import compare_predictions
from rasd_nnu.compare.detection import compare_detections
from rasd_nnu.errors import CompareError
from rasd_nnu.workflows.case_images import EDGE, _busiest_slice, box_colours, box_pictures, class_pictures
from rasd_nnu.workflows.overlays import COLOURS

CASES, SIZE = 4, 50


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set whose images are black."""
    folder = tmp_path / "nnUNet_raw"
    (folder / "Dataset900_Boxes/imagesTr").mkdir(parents=True)
    for i in range(CASES):
        Image.new("L", (SIZE, SIZE)).save(folder / f"Dataset900_Boxes/imagesTr/c{i}_0000.png")
    monkeypatch.setenv("nnUNet_raw", str(folder))
    return folder


def _detections(path: Path, shift: float) -> Path:
    cases = [
        {
            "case": f"c{i}",
            "group": f"c{i}",
            "fold": 0,
            "boxes_true": [[10, 10, 30, 30]],
            "labels_true": [0],
            "boxes": [[10, 10 + shift + i, 30, 30 + shift + i], [0, 0, 5, 5]],
            "scores": [0.9, 0.1],
            "labels": [0, 0],
        }
        for i in range(CASES)
    ]
    path.write_text(json.dumps({"version": 1, "classes": ["mass"], "cases": cases}))
    return path


def test_true_boxes_and_the_best_of_both_arms_are_drawn(raw: Path, tmp_path: Path) -> None:
    comparison = compare_detections(_detections(tmp_path / "a.json", 0), _detections(tmp_path / "b.json", 4))
    pictures = box_pictures(comparison, "Dataset900_Boxes")
    assert 2 <= len(pictures) <= CASES and "From left: truth, A, B." in pictures[0].caption
    pixels = np.asarray(Image.open(io.BytesIO(pictures[0].data))).astype(int)
    assert pixels.shape[0] == EDGE and pixels.shape[1] == 3 * EDGE + 8
    lit = np.abs(pixels - COLOURS[0]).sum(2) < 60
    scale = EDGE // SIZE
    assert lit[10 * scale : 10 * scale + 2, 15 * scale : 25 * scale].mean() > 0.8, "the upper edge of the true box"
    assert not lit[: 8 * scale, : 8 * scale].any(), "the box with a low score is not drawn"
    assert box_colours(["mass"]) == [("mass", "rgb(230, 159, 0)")]


def test_a_classified_image_is_shown_with_its_truth(raw: Path, tmp_path: Path) -> None:
    def write(name: str, slope: float) -> Path:
        rows = [f"c{i},c{i},0,{'pos' if i % 2 else 'neg'},{1 - p:.3f},{p:.3f}" for i, p in enumerate(_p(slope))]
        (tmp_path / name).write_text("case,group,fold,label,prob_neg,prob_pos\n" + "\n".join(rows) + "\n")
        return tmp_path / name

    comparison = compare_predictions(write("a.csv", 0.4), write("b.csv", 0.1))
    captions = [picture.caption for picture in class_pictures(comparison, "Dataset900_Boxes")]
    assert any("Truth: pos; its probability in A 0.9" in caption for caption in captions), captions


def _p(slope: float) -> list[float]:
    return [0.5 + slope * (1 if i % 2 else -1) * (1 + i / 20) for i in range(CASES)]


def test_missing_images_are_said(raw: Path, tmp_path: Path) -> None:
    comparison = compare_detections(_detections(tmp_path / "a.json", 0), _detections(tmp_path / "b.json", 4))
    for path in raw.rglob("*.png"):
        path.unlink()
    with pytest.raises(CompareError, match="has no image c"):
        box_pictures(comparison, "Dataset900_Boxes")
    with pytest.raises(CompareError, match="not in nnUNet_raw"):
        box_pictures(comparison, "Dataset901_Other")


def test_a_volume_is_shown_where_most_boxes_are() -> None:
    boxes = [(0.0, 0.0, 3.0, 4.0, 4.0, 6.0), (0.0, 0.0, 5.0, 4.0, 4.0, 8.0)]
    assert _busiest_slice(boxes, depth=10) == 5
    assert _busiest_slice([], depth=10) == 5
    assert _busiest_slice([(0.0, 0.0, 8.2, 4.0, 4.0, 8.4)], depth=10) == 8
