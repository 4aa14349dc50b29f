"""Outlines and boxes of annotation files under the names of the spec, and what they become: label maps or boxes."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rasd_nnu.dataset_specs.formats.shapes import Box, Outline
from rasd_nnu.dataset_specs.schema.annotation import Boxes, Outlines
from rasd_nnu.dataset_specs.source import SourceCase, changed_ns
from rasd_nnu.dataset_specs.template import fill
from rasd_nnu.dataset_specs.window import extents_of
from rasd_nnu.errors import DatasetError

FORMATS = "rasd_nnu.dataset_specs.formats."


def read_outlines(annotation: Outlines, case: SourceCase) -> list[Outline]:
    """Read the outlines of a case, named by the spec's labels.

    Raises:
        DatasetError: The file is damaged, or holds a name that the spec does not know.
    """
    (_, ref), *_ = case.truth
    frame = int(fill(annotation.frame, case.fields)) if annotation.frame else None
    found, extents = _read(annotation.format, ref.path, changed_ns(ref.path))
    outlines = []
    for outline in case.window.outlines(found, extents) if case.window else found:
        label = _label(annotation, outline.name, str(ref.path))
        if label and (frame is None or outline.frame == frame):
            outlines.append(Outline(label, outline.points, outline.frame))
    return outlines


def read_boxes(annotation: Boxes, case: SourceCase) -> list[Box]:
    """Return the boxes of a case, named by the spec's labels.

    Raises:
        DatasetError: The file is damaged, or holds a name that the spec does not know.
    """
    if case.boxes is not None:
        return list(case.boxes)
    (_, ref), *_ = case.truth
    found, extents = _read(annotation.format, ref.path, changed_ns(ref.path))
    boxes = case.window.boxes(found, extents) if case.window else found
    named = [(_label(annotation, box.name, str(ref.path)), box) for box in boxes]
    return [Box(label, box.left, box.top, box.right, box.bottom) for label, box in named if label]


@functools.lru_cache(maxsize=1)
def _read(format: str, path: Path, changed: int) -> tuple[Any, np.ndarray]:
    """Read the shapes of a file and their extents; the last file is kept, because the tiles of a slide share it."""
    shapes = tuple(importlib.import_module(FORMATS + format).read(path))
    return shapes, extents_of(shapes)


def _label(annotation: Outlines | Boxes, name: str, where: str) -> str | None:
    if name in annotation.names:
        return annotation.names[name]
    if name in annotation.ignore:
        return None
    known = ", ".join(map(repr, (*annotation.names, *annotation.ignore)))
    raise DatasetError(
        f"{where} has the name {name!r}; the spec knows {known}. Add it to the spec or correct the file."
    )


def fill_outlines(
    outlines: Sequence[Outline], labels: dict[str, int], shape: tuple[int, int], later_wins: bool = True
) -> np.ndarray:
    """Draw filled polygons as a label map; what lies outside the image is cut off.

    A polygon with fewer than three corners has no area and draws nothing.

    Args:
        outlines: Named by `labels`.
        labels: Name -> value.
        shape: Rows and columns.
        later_wins: Draw in the order of the file; else in the order of the values.

    Returns:
        ``(Y, X)`` uint8.
    """
    from skimage.draw import polygon

    label = np.zeros(shape, dtype=np.uint8)
    ordered = outlines if later_wins else sorted(outlines, key=lambda outline: labels[outline.name])
    for outline in ordered:
        if len(outline.points) >= 3:
            rows, columns = polygon(outline.points[:, 1], outline.points[:, 0], shape)
            label[rows, columns] = labels[outline.name]
    return label


def fill_boxes(boxes: Sequence[Box], labels: dict[str, int], shape: tuple[int, int], draw: str) -> np.ndarray:
    """Draw boxes, or the ellipses in them, as a label map; the larger value wins where they overlap.

    Args:
        boxes: Named by `labels`.
        labels: Name -> value.
        shape: Rows and columns.
        draw: ``box`` or ``disc``.

    Returns:
        ``(Y, X)`` uint8.
    """
    label = np.zeros(shape, dtype=np.uint8)
    for box in boxes:
        part = box.clipped(*shape)
        if part.is_degenerate:
            continue
        top, left = int(np.floor(part.top)), int(np.floor(part.left))
        bottom, right = int(np.ceil(part.bottom)), int(np.ceil(part.right))
        window = label[top:bottom, left:right]
        inside = np.ones(window.shape, bool)
        if draw == "disc":
            y, x = np.ogrid[top:bottom, left:right]
            height, width = box.bottom - box.top, box.right - box.left
            y_off, x_off = (y + 0.5 - box.top) / height - 0.5, (x + 0.5 - box.left) / width - 0.5
            inside = y_off**2 + x_off**2 <= 0.25
        window[inside] = np.maximum(window[inside], labels[box.name])
    return label


def usable_boxes(boxes: Sequence[Box], shape: tuple[int, int]) -> list[Box]:
    """Cut boxes at the border of the image (rows, columns) and drop those that cover nothing."""
    clipped = [box.clipped(*shape) for box in boxes]
    return [box for box in clipped if not box.is_degenerate]
