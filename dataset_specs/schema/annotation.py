"""Where the truth of a case is: a discriminated union of five kinds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rasd_nnu.dataset_specs.schema.base import LabelValue, SpecModel, Text
from rasd_nnu.dataset_specs.schema.layout import Options, Pattern, Template

NoTruth = Literal["error", "skip"]


class LabelMap(SpecModel):
    """One label map a case.

    Args:
        file: Pattern; none where the layout itself gives the label map (`decathlon`, `arrays`).
        missing: What an image without a label map is.
        format: Format of the file where its ending does not tell it, such as ``stack``.
        options: Options of that format's reader.
    """

    kind: Literal["label_map"]
    file: Pattern | None = None
    missing: NoTruth = "error"
    format: Text | None = None
    options: Options = {}


class Masks(SpecModel):
    """Several binary masks a case, united into one label map; where they overlap the larger label value wins.

    Args:
        file: Pattern with ``{mask}``, the name of the mask.
        above: A voxel of a mask counts where it is greater.
        names: Regular expression for mask names -> name of a label; empty where the names of masks are those of labels.
        others: What a mask with another name is.
        required: Labels that every case must have a mask for; None asks for all labels.
        same_size: Leave out masks that do not have the image's size (crops that lie among the masks).
        count: How many masks every case must have; None where that differs.
        missing: What an image without any mask is.
        format: As in `LabelMap`.
        options: As in `LabelMap`.
    """

    kind: Literal["masks"]
    file: Pattern
    above: float = 0
    names: dict[Text, Text] = {}
    others: Literal["error", "ignore"] = "error"
    required: tuple[Text, ...] | None = None
    same_size: bool = False
    count: int | None = Field(None, ge=1)
    missing: NoTruth = "error"
    format: Text | None = None
    options: Options = {}


class Outlines(SpecModel):
    """Polygons in an annotation file; filled for a segmentation, their boxes for a detection.

    Args:
        file: Pattern.
        format: Format of the file.
        names: Name in the file -> label; a name that is not listed is an error.
        ignore: Names in the file that are left out.
        frame: Template of the number of the image, where a file covers several images.
        missing: What an image without a file is.
        empty: What an image without any polygon of a label is.
    """

    kind: Literal["outlines"]
    file: Pattern
    format: Literal["aperio", "ddti", "inbreast", "labelme"]
    names: dict[str, Text] = Field(min_length=1)
    ignore: tuple[str, ...] = ()
    frame: Template | None = None
    missing: NoTruth = "error"
    empty: Literal["error", "skip", "keep"] = "keep"


class Boxes(SpecModel):
    """Boxes in an annotation file.

    Args:
        file: Pattern: one file a case (`voc`), one COCO file, or a table with one box a row.
        format: ``voc``: Pascal VOC XML, 1-based with both ends inside; ``coco``: JSON, ``bbox`` as `corners` says;
            ``table``: CSV.
        corners: ``xyxy`` or ``xywh``; of COCO files.
        names: Name (or category id) in the file -> label; other names are an error.
        ignore: Names in the file that are left out.
        key: Column -> template of the case, as in `Table`; only of tables.
        box: Columns of left, top, right and bottom; only of tables.
        name: Column with the name; only of tables.
        contains: Whether the name column is a list in which a name must occur, rather than the name; only of tables.
        draw: For a segmentation: fill the box, or the disc in it.
        missing: What an image without a file or row is.
        empty: What an image without any box of a label is.
    """

    kind: Literal["boxes"]
    file: Pattern
    format: Literal["voc", "coco", "table"]
    corners: Literal["xyxy", "xywh"] = "xywh"
    names: dict[str, Text] = Field(min_length=1)
    ignore: tuple[str, ...] = ()
    key: dict[Text, Template] = {}
    box: tuple[Text, Text, Text, Text] | None = None
    name: Text | None = None
    contains: bool = False
    draw: Literal["box", "disc"] = "box"
    missing: NoTruth = "error"
    empty: Literal["error", "skip", "keep"] = "keep"


class ClassColumn(SpecModel):
    """One question with one answer a case.

    Args:
        value: Template of the text that decides.
        names: Text -> name of the class; a text that is not listed is an error.
        labels: Name of the class -> number; empty takes the spec's `labels`.
    """

    value: Template
    names: dict[str, Text] = Field(min_length=2)
    labels: dict[Text, LabelValue] = {}


class Classes(SpecModel):
    """Classes of whole images, from fields of the case.

    Args:
        columns: Name of the column in ``cases.csv`` -> question; one question is called ``label``.
    """

    kind: Literal["classes"]
    columns: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], ClassColumn] = Field(min_length=1)


Annotation = Annotated[LabelMap | Masks | Outlines | Boxes | Classes, Field(discriminator="kind")]
