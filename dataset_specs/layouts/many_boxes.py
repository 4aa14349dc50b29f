"""Boxes from files that cover many cases: a COCO file, or a table with one box a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rasd_nnu.dataset_specs.formats import coco
from rasd_nnu.dataset_specs.formats.shapes import Box
from rasd_nnu.dataset_specs.layouts.index import FileIndex
from rasd_nnu.dataset_specs.layouts.rows import JoinedTable, Row
from rasd_nnu.dataset_specs.schema.annotation import Boxes
from rasd_nnu.dataset_specs.schema.layout import Table
from rasd_nnu.dataset_specs.source import SourceCase
from rasd_nnu.errors import DatasetError


def boxes_by_case(annotation: Boxes, cases: Sequence[SourceCase], index: FileIndex) -> dict[str, list[Box]]:
    """Return case id -> boxes of the labels that the spec names; cases that the file does not mention are absent.

    Raises:
        DatasetError: The file is missing or damaged, or holds a name that the spec does not know.
    """
    if annotation.format == "table":
        return _from_table(annotation, cases, index)
    return _from_coco(annotation, cases, index)


def _label(annotation: Boxes, name: str, where: str) -> str | None:
    if name in annotation.names:
        return annotation.names[name]
    if name in annotation.ignore:
        return None
    raise DatasetError(f"{where}: the spec has no label for the box {name!r}; it knows {', '.join(annotation.names)}.")


def _from_table(annotation: Boxes, cases: Sequence[SourceCase], index: FileIndex) -> dict[str, list[Box]]:
    joined = JoinedTable(index, Table(file=annotation.file, key=annotation.key))
    found = {}
    for case in cases:
        rows = joined.rows_of(case.fields)
        if rows:
            found[case.case] = [box for row in rows for box in _row_boxes(annotation, row)]
    return found


def _row_boxes(annotation: Boxes, row: Row) -> list[Box]:
    assert annotation.box is not None and annotation.name is not None
    missing = [column for column in (*annotation.box, annotation.name) if column not in row]
    if missing:
        raise DatasetError(f"{annotation.file} has no column {missing[0]!r}; it has {', '.join(map(repr, row))}.")
    text = row[annotation.name]
    if annotation.contains:
        listed = {part.strip(" '\"") for part in text.strip("[]").split(",")}
        labels = [label for name, label in annotation.names.items() if name in listed]
    else:
        label = _label(annotation, text, annotation.file)
        labels = [label] if label else []
    try:
        edges = [float(row[column]) for column in annotation.box] if labels else []
    except ValueError as error:
        raise DatasetError(f"{annotation.file}: a box of {text!r} has no number: {error}. Correct the row.") from error
    return [Box(label, *edges) for label in labels]


def _from_coco(annotation: Boxes, cases: Sequence[SourceCase], index: FileIndex) -> dict[str, list[Box]]:
    matches = index.find(annotation.file)
    if len(matches) != 1:
        raise DatasetError(f"{index.root} holds {len(matches)} files {annotation.file}, expected one.")
    path = index.path_of(matches[0])
    by_image = {
        image: [box for box in boxes if _label(annotation, box.name, path.name)]
        for image, boxes in coco.read(path, annotation.corners).items()
    }
    named = {
        image: [replace(box, name=annotation.names[box.name]) for box in boxes]
        for image, boxes in by_image.items()
        if boxes or annotation.empty == "keep"
    }
    return {case.case: named[case.images[0].path.name] for case in cases if case.images[0].path.name in named}
