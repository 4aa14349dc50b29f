"""Readers of outlines and boxes: Aperio, DDTI, INbreast, LabelMe, Pascal VOC; what all XML is protected from."""

from __future__ import annotations

import json
import plistlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.dataset_specs.formats import aperio, ddti, inbreast, labelme, voc
from rasd_nnu.dataset_specs.formats.safe_xml import root_of
from rasd_nnu.dataset_specs.formats.shapes import Box
from rasd_nnu.errors import DatasetError

APERIO = """<?xml version="1.0"?>
<Annotations MicronsPerPixel="0.2521"><Annotation Id="1" Name="">
  <Attributes><Attribute Name="Epithelial" Id="0" Value=""/></Attributes>
  <Regions><Region Id="1"><Vertices><Vertex X="1.5" Y="2" Z="0"/><Vertex X="8" Y="2" Z="0"/><Vertex X="8" Y="9"/>
  </Vertices></Region><Region Id="2"><Vertices/></Region></Regions></Annotation>
  <Annotation Name="Lymphocyte"><Regions><Region><Vertices><Vertex X="0" Y="0"/></Vertices></Region></Regions>
</Annotation></Annotations>"""
DDTI_SHAPES = '[{"points": [{"x": 3, "y": 4}, {"x": 9, "y": 4}, {"x": 5, "y": 8}], "regionType": "freehand"}]'
DDTI = f"""<case><number>7</number><age>30</age><mark><image>1</image><svg>{DDTI_SHAPES}</svg></mark>
<mark><image>2</image><svg></svg></mark><mark><image>3</image><svg>{DDTI_SHAPES}</svg></mark></case>"""
VOC = """<annotation><filename>a.jpg</filename><object><name>RBC</name><bndbox><xmin>1</xmin><ymin>11</ymin>
<xmax>10</xmax><ymax>30</ymax></bndbox></object></annotation>"""
LABELME: dict[str, Any] = {
    "shapes": [
        {"label": "nodule", "shape_type": "polygon", "points": [[1, 1], [5, 1], [5, 6]]},
        {"label": "box", "shape_type": "rectangle", "points": [[1, 2], [5, 6]]},
    ]
}
INBREAST: dict[str, Any] = {
    "Images": [
        {
            "ROIs": [
                {"Name": "Mass", "Point_px": ["(2113.5, 1331.25)", "(2120, 1331)", "(2120, 1.34e3)"]},
                {"Name": "Calcification", "Point_px": ["(1, 2)"]},
                {"Name": "", "Point_px": []},
            ]
        }
    ]
}

Reader = Callable[[Path], list[Any]]
XML_READERS = pytest.mark.parametrize(
    ("read", "content"),
    [
        (aperio.read, APERIO),
        (ddti.read, DDTI),
        (voc.read, VOC),
        (inbreast.read, plistlib.dumps(INBREAST).decode()),
    ],
    ids=["aperio", "ddti", "voc", "inbreast"],
)


def file_with(tmp_path: Path, content: str | bytes, name: str = "a.xml") -> Path:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return tmp_path / name


def test_aperio(tmp_path: Path) -> None:
    first, empty, second = aperio.read(file_with(tmp_path, APERIO))
    assert (first.name, second.name) == ("Epithelial", "Lymphocyte")
    assert first.points.tolist() == [[1.5, 2], [8, 2], [8, 9]]
    assert empty.points.shape == (0, 2)
    assert first.box() == Box("Epithelial", 1.5, 2, 8, 9)


def test_ddti_gives_the_number_of_the_image(tmp_path: Path) -> None:
    outlines = ddti.read(file_with(tmp_path, DDTI))
    assert [(outline.name, outline.frame) for outline in outlines] == [("freehand", 1), ("freehand", 3)]
    assert outlines[0].points.tolist() == [[3, 4], [9, 4], [5, 8]]


@pytest.mark.parametrize(
    ("svg", "message"),
    [
        (DDTI_SHAPES[:40], "the svg of image 1 is not valid JSON"),
        ('[{"points": [{"x": 1}]}]', "a shape of image 1 has no points with x and y"),
        ('[{"points": [{"x": 1, "y": "top"}]}]', "corners that are no numbers"),
        ('["freehand"]', "a shape of image 1 has no points"),
    ],
)
def test_ddti_with_a_lost_outline(tmp_path: Path, svg: str, message: str) -> None:
    file = file_with(tmp_path, f"<case><mark><image>1</image><svg>{svg}</svg></mark></case>", "197.xml")
    with pytest.raises(DatasetError, match=rf"197\.xml.*{message}"):
        ddti.read(file)


def test_inbreast(tmp_path: Path) -> None:
    mass, point, empty = inbreast.read(file_with(tmp_path, plistlib.dumps(INBREAST)))
    assert (mass.name, point.name, empty.name) == ("Mass", "Calcification", "")
    assert mass.points.tolist() == [[2113.5, 1331.25], [2120, 1331], [2120, 1340]]
    assert (len(point.points), len(empty.points)) == (1, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"Images": [{"ROIs": [{"Name": "Mass", "Point_px": ["2, 3"]}]}]}, r"the point '2, 3' is not '\(x, y\)'"),
        ({"Images": [{"Name": "Mass"}]}, "cannot read .*a.xml"),
        (["Mass"], "cannot read .*a.xml"),
    ],
)
def test_inbreast_of_another_structure(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        inbreast.read(file_with(tmp_path, plistlib.dumps(content)))


def test_labelme(tmp_path: Path) -> None:
    polygon, rectangle = labelme.read(file_with(tmp_path, json.dumps(LABELME), "a.json"))
    assert polygon.points.tolist() == [[1, 1], [5, 1], [5, 6]]
    assert rectangle.points.tolist() == [[1, 2], [5, 2], [5, 6], [1, 6]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"shapes": [', "a.json: it is not valid JSON"),
        ("[]", "has no list 'shapes'"),
        ('{"shapes": [1]}', "has no list 'shapes'"),
        ('{"shapes": [{"shape_type": "circle", "points": [[1, 2], [3, 4]]}]}', "a shape of type 'circle'"),
        ('{"shapes": [{"points": [[1, 2, 3]]}]}', "expected pairs x, y"),
        ('{"shapes": [{"points": [[1, NaN]]}]}', "NaN or infinite"),
        ("[" * 100_000, "it is nested deeper than 64 levels"),
        ('{"shapes": "äö"}'.encode("latin-1"), "cannot read .*a.json: .* Save it as UTF-8"),
    ],
    ids=["cut", "list", "numbers", "circle", "triples", "nan", "deep", "latin-1"],
)
def test_labelme_of_another_structure(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        labelme.read(file_with(tmp_path, content, "a.json"))


def test_voc_counts_from_one_with_both_ends_inside(tmp_path: Path) -> None:
    assert voc.read(file_with(tmp_path, VOC)) == [Box("RBC", 0, 10, 10, 30)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<xmin>1</xmin>", "<xmin>left</xmin>", "xmin of 'RBC' is 'left', expected a number"),
        ("<xmin>1</xmin>", "", "xmin of 'RBC' is None"),
        ("<xmin>1</xmin>", "<xmin>1e999</xmin>", "expected a number"),
        ("<name>RBC</name>", "", "<object> has no <name>"),
        ("bndbox", "polygon", "the object 'RBC' has no <bndbox>"),
    ],
)
def test_voc_with_a_bad_object(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(DatasetError, match=rf"a\.xml.*{message}"):
        voc.read(file_with(tmp_path, VOC.replace(old, new)))


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box("a", -5, 2, 50, 8), Box("a", 0, 2, 20, 8)),
        (Box("a", 30, 2, 50, 8), Box("a", 20, 2, 20, 8)),
    ],
)
def test_boxes_are_cut_to_the_image(box: Box, expected: Box) -> None:
    assert box.clipped(height=10, width=20) == expected
    assert expected.is_degenerate == (expected.left == expected.right)


@XML_READERS
def test_missing_file(tmp_path: Path, read: Reader, content: str) -> None:
    with pytest.raises(DatasetError, match=r"a\.xml is missing"):
        read(tmp_path / "a.xml")


@XML_READERS
def test_truncated_file(tmp_path: Path, read: Reader, content: str) -> None:
    with pytest.raises(DatasetError, match=r"cannot read .*a\.xml: .* get it again from the official site"):
        read(file_with(tmp_path, content[: len(content) // 2]))


@XML_READERS
def test_file_of_another_kind(tmp_path: Path, read: Reader, content: str) -> None:
    with pytest.raises(DatasetError, match=r"a\.xml starts with <html>, expected <\w+>"):
        read(file_with(tmp_path, "<html/>"))


@XML_READERS
def test_undeclared_encoding(tmp_path: Path, read: Reader, content: str) -> None:
    declaration = '<?xml version="1.0" encoding="UTF-8"?>'
    body = content.split("?>", 1)[-1]
    with pytest.raises(DatasetError, match=r"cannot read .*a\.xml"):
        read(file_with(tmp_path, (declaration + "<!-- München -->" + body).encode("latin-1")))


@XML_READERS
@pytest.mark.parametrize("kind", ["bomb", "file"])
def test_entities_are_refused(tmp_path: Path, read: Reader, content: str, kind: str) -> None:
    """A thousand million laughs, and the content of another file."""
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    entities = f'<!ENTITY e0 "ha">{levels}' if kind == "bomb" else '<!ENTITY e9 SYSTEM "file:///etc/passwd">'
    file = file_with(tmp_path, f"<!DOCTYPE annotation [{entities}]><annotation>&e9;</annotation>")
    with pytest.raises(DatasetError, match=r"a\.xml declares entities or names other files"):
        read(file)


def test_size_of_xml_is_limited(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"at most 10 are parsed"):
        root_of(file_with(tmp_path, VOC), "annotation", max_bytes=10)
