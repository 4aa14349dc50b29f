"""Pascal VOC XML: boxes."""

from __future__ import annotations

from pathlib import Path

from rasd_nnu.dataset_specs.formats.safe_xml import number_of, root_of, text_of
from rasd_nnu.dataset_specs.formats.shapes import Box
from rasd_nnu.errors import DatasetError

EDGES = ("xmin", "ymin", "xmax", "ymax")


def read(path: Path) -> list[Box]:
    """Read all objects, whose coordinates count pixels from 1 and include both ends.

    Boxes are returned as they are, also those that cover nothing or lie outside the image.

    Raises:
        DatasetError: The file is missing, damaged or of another kind.
    """
    boxes = []
    for item in root_of(path, "annotation").iter("object"):
        name, frame = text_of(path, item, "name"), item.find("bndbox")
        if frame is None:
            raise DatasetError(f"{path}: the object {name!r} has no <bndbox>. Correct the file, or get it again.")
        left, top, right, bottom = (number_of(path, frame.findtext(edge), f"{edge} of {name!r}") for edge in EDGES)
        boxes.append(Box(name, left - 1, top - 1, right, bottom))
    return boxes
