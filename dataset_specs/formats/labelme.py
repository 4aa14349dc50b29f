"""LabelMe JSON: polygons and rectangles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rasd_nnu.dataset_specs.formats.corners import corners_of, parse_json
from rasd_nnu.dataset_specs.formats.guard import reading
from rasd_nnu.dataset_specs.formats.shapes import Outline
from rasd_nnu.errors import DatasetError


def read(path: Path) -> list[Outline]:
    """Read ``shapes`` with ``label``, ``shape_type`` and ``points``; a rectangle of two corners gets all four.

    Raises:
        DatasetError: The file is missing, damaged, not in UTF-8 or of another kind, or has a shape without an area.
    """
    with reading(path, fix="Save it as UTF-8, or get it again from the official site."):
        text = path.read_text(encoding="utf-8-sig")
    content = parse_json(path, text, "it")
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
        raise DatasetError(f"{path} has no list 'shapes'; is it a LabelMe file?")
    return [_outline(path, shape) for shape in shapes]


def _outline(path: Path, shape: dict[str, Any]) -> Outline:
    kind, points = shape.get("shape_type", "polygon"), corners_of(path, shape.get("points") or [])
    if kind == "rectangle" and len(points) == 2:
        (left, top), (right, bottom) = points
        points = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    elif kind != "polygon":
        raise DatasetError(f"{path} has a shape of type {kind!r}; expected a polygon, or a rectangle of two points.")
    return Outline(str(shape.get("label", "")), points)
