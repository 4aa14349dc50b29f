"""How an official download lies on disk: a discriminated union of four kinds.

A *pattern* is a path below the top folder with ``/`` between parts. ``{name}`` stands for any text within one part and
captures it as a field of the case, ``{name:regex}`` captures what fits the expression, a name that comes again must
repeat its text, ``*`` is any text within a part, ``**/`` any number of folders. A pattern that ends in ``/`` names a
folder that is one image (DICOM series, stack of slices). Files match by their common fields: a label belongs to
the image with the same value in every field that both patterns capture.

A *template* is text with ``{name}`` for fields of the case.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from rasd_nnu.dataset_specs.schema.base import SpecModel, Text


def _stays_inside(pattern: str) -> str:
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise ValueError(f"a pattern stays below the top folder of the release, got {pattern!r}")
    return pattern


Pattern = Annotated[str, Field(min_length=1), AfterValidator(_stays_inside)]
Template = Text
Options = dict[str, str | int | float | bool | list[int] | list[float]]


class Table(SpecModel):
    """A CSV or XLSX file whose rows are joined to the cases.

    Args:
        file: Pattern; several files that match are read one after the other, their captures are fields of each row.
        key: Column -> template of the case; a row belongs to the case for which all are equal (after trimming blanks).
        take: Field -> column; becomes a field of the case. What `file` captures becomes one too.
        sheets: Sheets of an XLSX file; the sheet's name is the field ``sheet`` of its rows.
        skip_rows: Rows above the header.
        columns: Names of the columns of a file that has no header.
        where: Column -> regular expression that a row must fit completely to count.
        required: Whether a case without a row is an error.
    """

    file: Pattern
    key: dict[Text, Template] = Field(min_length=1)
    take: dict[Text, Text] = {}
    sheets: tuple[Text, ...] = ()
    skip_rows: int = Field(default=0, ge=0)
    columns: tuple[Text, ...] = ()
    where: dict[Text, Text] = {}
    required: bool = True


class _Release(SpecModel):
    """What all layouts have.

    Args:
        folder: Name of the top folder of the release, found as ``--source`` itself, in it, or under ``RASD_DATA``.
        cases: Number of cases of the complete release that the spec takes; None where it is not known.
        evidence: Where the layout was taken from.
    """

    folder: str = Field(pattern=r"^[\w .()-]+$")
    cases: int | None = Field(None, gt=0)
    evidence: Text = "the release itself"


class DecathlonLayout(_Release):
    """Layout of the Medical Segmentation Decathlon: ``dataset.json``, ``imagesTr`` and ``labelsTr``."""

    kind: Literal["decathlon"]


class Tiles(SpecModel):
    """Cut each image, a whole slide, into tiles that are cases; a slide is never in memory as a whole.

    A tile's case is called ``<slide>_y<top>_x<left>``, in pixels of the level, and has the field ``slide``.

    Args:
        size: Edge of a tile in pixels of the level. The last tiles of a row or column are moved inside; a slide that is
            smaller gives one smaller tile.
        overlap: By how many pixels neighbours overlap.
        level: Level of the pyramid; 0 is full resolution.
        keep: ``annotated`` leaves out tiles whose label map is empty, or that no outline's or box's extent reaches.
    """

    size: int = Field(ge=16, le=8192)
    overlap: int = Field(default=0, ge=0)
    level: int = Field(default=0, ge=0)
    keep: Literal["all", "annotated"] = "all"

    @model_validator(mode="after")
    def _goes_on(self) -> Self:
        if self.overlap >= self.size:
            raise ValueError(f"tiles of {self.size} pixels cannot overlap by {self.overlap}")
        return self


class FilesLayout(_Release):
    """One case for each image that matches a pattern.

    Args:
        image: Pattern, or one for each channel; the first one makes the cases.
        case: Template of the case id.
        only: Field -> regular expression that must fit completely, else the file is no case.
        tables: Tables with further fields.
        format: Format of the images where their ending does not tell it, such as ``dicom_series`` or ``stack``.
        options: Options of that format's reader.
        tiles: How whole slides are cut into cases; None where an image is a case.
    """

    kind: Literal["files"]
    image: Pattern | tuple[Pattern, ...]
    case: Template
    only: dict[Text, Text] = {}
    tables: tuple[Table, ...] = ()
    format: Text | None = None
    options: Options = {}
    tiles: Tiles | None = None

    @model_validator(mode="after")
    def _slides_have_one_file(self) -> Self:
        if self.tiles and (len(self.images) > 1 or self.format not in (None, "slide") or self.options):
            raise ValueError("tiles are cut from one slide a case, without options of a reader")
        return self

    @property
    def images(self) -> tuple[str, ...]:
        """One pattern for each image file of a case."""
        return (self.image,) if isinstance(self.image, str) else self.image


class RowsLayout(_Release):
    """One case for each row of a table; several rows may share an image.

    Args:
        table: Pattern of a CSV file; its columns are fields of the case, and so is ``row``, the number of the row.
        image: Pattern of the image; joined by the captures that are columns too.
        case: Template of the case id.
        only: As in `FilesLayout`.
    """

    kind: Literal["rows"]
    table: Pattern
    image: Pattern
    case: Template
    only: dict[Text, Text] = {}


class ArrayPart(SpecModel):
    """Arrays of a container whose first axis counts the cases.

    Args:
        image: Name of the array of images.
        label: Name of the array of label maps or classes; a class is the field ``class``.
        fields: Field -> name of a one-dimensional array, or ``path@attribute`` of an HDF5 object.
        constants: Field -> text that is the same for all cases of the part.
    """

    image: Text
    label: Text | None = None
    fields: dict[Text, Text] = {}
    constants: dict[Text, Text] = {}


class ArraysLayout(_Release):
    """Cases along the first axis of arrays in one NPZ or HDF5 file; ``index`` (from 0) is a field of each case.

    Args:
        file: Name of the container in the top folder.
        parts: Arrays that belong together.
        case: Template of the case id.
    """

    kind: Literal["arrays"]
    file: Pattern
    parts: tuple[ArrayPart, ...] = Field(min_length=1)
    case: Template

    @model_validator(mode="after")
    def _known_container(self) -> Self:
        if not self.file.endswith((".npz", ".hdf5", ".h5")):
            raise ValueError(f"an array container ends in .npz, .hdf5 or .h5, got {self.file!r}")
        return self


Layout = Annotated[DecathlonLayout | FilesLayout | RowsLayout | ArraysLayout, Field(discriminator="kind")]
