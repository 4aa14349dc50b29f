from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.dataset_specs.formats.coco import read
from rasd_nnu.dataset_specs.formats.shapes import Box
from rasd_nnu.errors import DatasetError

CONTENT: dict[str, Any] = {
    "images": [{"id": 5, "file_name": "images/005.tiff"}, {"id": 6, "file_name": "006.tiff"}],
    "annotations": [{"id": 0, "image_id": 5, "category_id": 2, "bbox": [10, 20, 60.5, 70]}],
}


def save(folder: Path, content: Any) -> Path:
    (folder / "a.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / "a.json"


def test_boxes_by_image(tmp_path: Path) -> None:
    file = save(tmp_path, CONTENT)
    assert read(file) == {"005.tiff": [Box("2", 10, 20, 70.5, 90)], "006.tiff": []}
    assert read(file, "xyxy")["005.tiff"] == [Box("2", 10, 20, 60.5, 70)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [', "it is not valid JSON"),
        ([], "is no COCO file"),
        ({"images": [], "annotations": {}}, "is no COCO file"),
        (CONTENT | {"images": [{"id": 5}]}, "entry 0 of 'images' has no 'file_name'"),
        (CONTENT | {"images": ["005.tiff"]}, "entry 0 of 'images' has no 'id'"),
        (CONTENT | {"annotations": [{"image_id": 5, "category_id": 1}]}, "entry 0 of 'annotations' has no 'bbox'"),
        (CONTENT | {"annotations": [{"image_id": 9, "category_id": 1, "bbox": [1, 2, 3, 4]}]}, "names the image 9"),
        (CONTENT | {"annotations": [{"image_id": 5, "category_id": 1, "bbox": [1, 2, 3]}]}, "is not four numbers"),
        (CONTENT | {"annotations": [{"image_id": 5, "category_id": 1, "bbox": [1, 2, 3, "x"]}]}, "expected a number"),
        (CONTENT | {"annotations": [{"image_id": {}, "category_id": 1, "bbox": [1, 2, 3, 4]}]}, "has no 'image_id'"),
    ],
)
def test_file_of_another_structure(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DatasetError, match=rf"a\.json.*{message}"):
        read(save(tmp_path, content))
