"""Bad outlines, tables, arrays and boxes through ``rasd_nnu tasks prepare``."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from rasd_nnu.dataset_specs.layouts import rows
from tests.dataset_specs.bad_input import (
    CASES,
    PIXELS,
    SPEC,
    Scene,
    Spoil,
    cut,
    pictures,
    save_png,
)

APERIO = """<Annotations><Annotation><Attributes><Attribute Name="{name}"/></Attributes><Regions><Region><Vertices>
<Vertex X="1" Y="1"/><Vertex X="20" Y="1"/><Vertex X="20" Y="20"/></Vertices></Region></Regions></Annotation>
</Annotations>"""


def outlined(release: Path, case: str) -> None:
    save_png(PIXELS, release / "images" / f"{case}.png")
    (release / "xml").mkdir(exist_ok=True)
    (release / "xml" / f"{case}.xml").write_text(APERIO.format(name="Organ"))


OUTLINES: dict[str, Any] = {
    "annotation": {"kind": "outlines", "file": "xml/{case}.xml", "format": "aperio", "names": {"Organ": "organ"}},
    "steps": {},
}
LAUGHS = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
BAD_OUTLINES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "entity bomb": (
        f'<!DOCTYPE Annotations [<!ENTITY e0 "ha">{LAUGHS}]><Annotations>&e9;</Annotations>'.encode(),
        ("xml/case_3.xml declares entities",),
    ),
    "file of the reader": (
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><Annotations>&e;</Annotations>',
        ("xml/case_3.xml declares entities or names other files",),
    ),
    "encoding": (
        '<?xml version="1.0" encoding="UTF-8"?><!-- ä -->'.encode("latin-1") + APERIO.encode(),
        ("cannot read", "xml/case_3.xml"),
    ),
    "truncated": (APERIO[:60].encode(), ("cannot read", "xml/case_3.xml")),
    "unknown name": (APERIO.format(name="Organs").encode(), ("xml/case_3.xml has the name 'Organs'", "'Organ'")),
}


@pytest.mark.parametrize("name", BAD_OUTLINES)
def test_outlines(scene: Scene, name: str) -> None:
    content, expected = BAD_OUTLINES[name]
    scene.make(outlined, **OUTLINES)
    scene.refuses(lambda release: (release / "xml/case_3.xml").write_bytes(content), *expected)


CLASSES: dict[str, Any] = {
    "task": "classification",
    "labels": {"benign": 0, "malignant": 1},
    "steps": {},
    "layout": {
        **SPEC["layout"],
        "tables": [{"file": "table.csv", "key": {"name": "{case}"}, "take": {"finding": "finding"}}],
    },
    "annotation": {
        "kind": "classes",
        "columns": {"label": {"value": "{finding}", "names": {"B": "benign", "M": "malignant"}}},
    },
}
TABLE = "name,finding\n" + "".join(f"{case},{'BM'[at % 2]}\n" for at, case in enumerate(CASES))
BAD_TABLES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "encoding": ((TABLE + "Müller,B\n").encode("latin-1"), ("table.csv", "UTF-8")),
    "no such column": (TABLE.replace("finding", "result").encode(), ("table.csv has no column 'finding'",)),
    "row is missing": (TABLE.replace("case_3,B\n", "").encode(), ("images/case_3.png has no row in table.csv",)),
    "unknown class": (TABLE.replace("case_3,B", "case_3,X").encode(), ("case_3: label is 'X'", "'B', 'M'")),
    "cells that are not quoted": (
        TABLE.replace("case_3,B", "case_3,B,C,D").encode(),
        ("row 3 has 4 cells, the header 2",),
    ),
    "field without an end": (b'name,finding\n"' + b"x" * 200_000, ("table.csv",)),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_tables(scene: Scene, name: str) -> None:
    content, expected = BAD_TABLES[name]
    scene.make(pictures, **CLASSES)
    (scene.release / "table.csv").write_text(TABLE)
    scene.refuses(lambda release: (release / "table.csv").write_bytes(content), *expected, kept=0)


@pytest.mark.parametrize("kind", ["truncated", "text", "bomb", "other sheet"])
def test_books(scene: Scene, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same table as XLSX."""
    table = {**CLASSES["layout"]["tables"][0], "file": "table.xlsx", "sheets": ["all"]}
    scene.make(pictures, **{**CLASSES, "layout": {**CLASSES["layout"], "tables": [table]}})
    save_book(scene.release / "table.xlsx", "all")

    def spoil(release: Path) -> None:
        book = release / "table.xlsx"
        if kind == "truncated":
            cut(book)
        elif kind == "text":
            book.write_text(TABLE)
        elif kind == "other sheet":
            save_book(book, "some")
        else:
            with zipfile.ZipFile(book, "a", zipfile.ZIP_DEFLATED) as pack:
                pack.writestr("xl/more.xml", bytes(2_000_000))

    monkeypatch.setattr(rows, "MAX_XLSX_BYTES", 1_000_000)
    said = {"bomb": "at most 976.6 kB are read", "other sheet": "has no sheet 'all'; it has 'some'"}
    scene.refuses(spoil, "table.xlsx", said.get(kind, "cannot read"), kept=0)


def save_book(file: Path, sheet: str) -> None:
    book = openpyxl.Workbook()
    page = book.active
    page.title = sheet
    for line in TABLE.splitlines():
        page.append(line.split(","))
    book.save(file)


ARRAYS: dict[str, Any] = {
    "task": "classification",
    "labels": {"benign": 0, "malignant": 1},
    "steps": {},
    "layout": {
        "kind": "arrays",
        "folder": "release",
        "cases": 6,
        "file": "a.npz",
        "parts": [{"image": "images", "label": "labels"}],
        "case": "{index}",
    },
    "annotation": {
        "kind": "classes",
        "columns": {"label": {"value": "{class}", "names": {"0": "benign", "1": "malignant"}}},
    },
}


def save_arrays(release: Path, images: np.ndarray | None = None, labels: int = 6) -> None:
    release.mkdir(exist_ok=True)
    stack = np.stack([PIXELS] * 6) if images is None else images
    np.savez_compressed(release / "a.npz", images=stack, labels=np.arange(labels) % 2)


def claim_more(release: Path) -> None:
    """An archive whose array is said to be of 32 TB."""
    content = (b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)) + (
        b"{'descr': '|u1', 'fortran_order': False, 'shape': (32768, 32768, 32768), }".ljust(117) + b"\n"
    )
    with zipfile.ZipFile(release / "a.npz", "w") as pack:
        pack.writestr("images.npy", content)


BAD_ARRAYS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "truncated": (lambda r: cut(r / "a.npz"), ("a.npz",)),
    "no archive": (lambda r: (r / "a.npz").write_text("<html>"), ("a.npz",)),
    "other names": (lambda r: np.savez(r / "a.npz", x=PIXELS), ("a.npz holds no array 'images'",)),
    "objects that could run code": (
        lambda r: np.savez(r / "a.npz", images=np.array([{}] * 6, dtype=object), labels=np.zeros(6)),
        ("a.npz",),
    ),
    "lengths": (lambda r: save_arrays(r, labels=5), ("a.npz", "5 entries", "6 images")),
    "absurd size": (claim_more, ("a.npz",)),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_arrays(scene: Scene, name: str) -> None:
    scene.make(lambda release, _: save_arrays(release), **ARRAYS)
    scene.refuses(BAD_ARRAYS[name][0], *BAD_ARRAYS[name][1], kept=0)


BOXES: dict[str, Any] = {
    "task": "detection",
    "labels": {"cell": 0},
    "steps": {},
    "annotation": {"kind": "boxes", "file": "boxes.json", "format": "coco", "names": {"1": "cell"}},
}


def coco(**changes: Any) -> dict[str, Any]:
    images = [{"id": at, "file_name": f"{case}.png"} for at, case in enumerate(CASES)]
    boxes = [{"id": at, "image_id": at, "category_id": 1, "bbox": [2, 3, 10, 12]} for at in range(6)]
    return {"images": images, "categories": [{"id": 1, "name": "cell"}], "annotations": boxes, **changes}


def with_box(**changes: Any) -> dict[str, Any]:
    content = coco()
    content["annotations"][2] = {
        key: value for key, value in (content["annotations"][2] | changes).items() if value is not None
    }
    return content


BAD_BOXES: dict[str, tuple[str, tuple[str, ...]]] = {
    "cut": ('{"images": [', ("boxes.json",)),
    "list": ("[]", ("boxes.json",)),
    "deep": ("[" * 100_000, ("boxes.json",)),
    "three numbers": (json.dumps(with_box(bbox=[1, 2, 3])), ("boxes.json", "[1, 2, 3]")),
    "no box": (json.dumps(with_box(bbox=None)), ("boxes.json",)),
    "no image": (json.dumps(with_box(image_id=None)), ("boxes.json",)),
    "other image": (json.dumps(with_box(image_id=99)), ("boxes.json",)),
    "image without a name": (json.dumps(coco(images=[{"id": 0}])), ("boxes.json",)),
    "other category": (json.dumps(with_box(category_id=7)), ("boxes.json", "'7'")),
}


@pytest.mark.parametrize("name", BAD_BOXES)
def test_boxes(scene: Scene, name: str) -> None:
    content, expected = BAD_BOXES[name]
    scene.make(pictures, **BOXES)
    (scene.release / "boxes.json").write_text(json.dumps(coco()))
    scene.refuses(lambda release: (release / "boxes.json").write_text(content), *expected, kept=0)


def test_two_images_that_make_one_case(scene: Scene) -> None:
    layout = {**SPEC["layout"], "image": "{side}/{case}.png", "case": "{case}", "only": {"side": "images|more"}}
    scene.make(pictures, layout=layout)
    scene.refuses(
        lambda release: save_png(PIXELS, release / "more/case_3.png"),
        "images/case_3.png and more/case_3.png both make the case 'case_3'",
        kept=0,
    )
