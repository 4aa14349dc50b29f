"""COCO JSON: boxes of many images in one file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from rasd_nnu.dataset_specs.formats.corners import parse_json
from rasd_nnu.dataset_specs.formats.guard import FIX, reading
from rasd_nnu.dataset_specs.formats.safe_xml import number_of
from rasd_nnu.dataset_specs.formats.shapes import Box
from rasd_nnu.errors import DatasetError

Corners = Literal["xyxy", "xywh"]
PARTS = ("images", "annotations")


def read(path: Path, corners: Corners = "xywh") -> dict[str, list[Box]]:
    """Read the boxes of each image by its file name (without folders); an image without a box has an empty list.

    Args:
        path: File.
        corners: What the four numbers of ``bbox`` are. COCO means x, y, width, height; some files, such as
            MIDOG's, hold two corners.

    Returns:
        File name -> boxes, named by the number of their category.

    Raises:
        DatasetError: The file is missing, damaged, of another kind, or refers to an image that it does not hold.
    """
    with reading(path, fix="Save it as UTF-8, or get it again from the official site."):
        text = path.read_text(encoding="utf-8-sig")
    content = parse_json(path, text, "it")
    parts = [content.get(part) if isinstance(content, dict) else None for part in PARTS]
    if not all(isinstance(part, list) for part in parts):
        raise DatasetError(f"{path} is no COCO file: it needs the lists 'images' and 'annotations'.")
    images, annotations = (_entries(path, part, entries) for part, entries in zip(PARTS, parts, strict=True))
    files = {image("id"): Path(str(image("file_name"))).name for image in images}
    found: dict[str, list[Box]] = {file: [] for file in files.values()}
    for entry in annotations:
        image = entry("image_id")
        if image not in files:
            raise DatasetError(f"{path}: an annotation names the image {image!r}, which the file does not list. {FIX}")
        found[files[image]].append(_box(path, str(entry("category_id")), entry("bbox"), corners))
    return found


def _entries(path: Path, part: str, entries: Any) -> list[Callable[[str], Any]]:
    """Return a look-up for each entry that names the file and the field which is missing."""

    def look_up(number: int, entry: Any) -> Callable[[str], Any]:
        def field(name: str) -> Any:
            if not isinstance(entry, dict) or name not in entry or isinstance(entry[name], dict):
                raise DatasetError(f"{path}: entry {number} of {part!r} has no {name!r}. {FIX}")
            return entry[name]

        return field

    return [look_up(number, entry) for number, entry in enumerate(entries)]


def _box(path: Path, name: str, numbers: Any, corners: Corners) -> Box:
    if not isinstance(numbers, list) or len(numbers) != 4:
        raise DatasetError(f"{path}: the bbox {numbers!r} is not four numbers. {FIX}")
    left, top, third, fourth = (number_of(path, str(number), "a number of a bbox") for number in numbers)
    right, bottom = (third, fourth) if corners == "xyxy" else (left + third, top + fourth)
    return Box(name, left, top, right, bottom)
