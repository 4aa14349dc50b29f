"""XML of the thyroid cases of DDTI: marks that hold polygons as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rasd_nnu.dataset_specs.formats.corners import corners_of, parse_json
from rasd_nnu.dataset_specs.formats.safe_xml import number_of, root_of
from rasd_nnu.dataset_specs.formats.shapes import Outline
from rasd_nnu.errors import DatasetError


def read(path: Path) -> list[Outline]:
    """Read the polygons of all marks; their frame is the number of the image, their name the type of region.

    Marks with an empty ``svg`` occur in the release and give nothing. A mark whose JSON is cut off (197.xml and
    205.xml of the release) is an error, because its outline is lost.

    Raises:
        DatasetError: The file is missing, damaged or of another kind.
    """
    outlines: list[Outline] = []
    for mark in root_of(path, "case").iter("mark"):
        text = (mark.findtext("svg") or "").strip()
        if text:
            frame = int(number_of(path, mark.findtext("image"), "the number of the image of a mark"))
            shapes = parse_json(path, text, f"the svg of image {frame}")
            outlines.extend(_outline(path, shape, frame) for shape in shapes)
    return outlines


def _outline(path: Path, shape: Any, frame: int) -> Outline:
    try:
        corners = [(point["x"], point["y"]) for point in shape["points"]]
        name = str(shape.get("regionType", ""))
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path}: a shape of image {frame} has no points with x and y ({error!r}). Correct it or take it out."
        ) from error
    return Outline(name, corners_of(path, corners), frame)
