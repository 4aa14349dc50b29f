"""The fixed vocabulary of conversion steps: what may stand under ``steps``.

Each model ``do: <name>`` is carried out by the pure function ``<name>(picture, **parameters) -> Picture`` of the module
``steps/<name>.py``; the fields of the model, but `do` and `on`, are the parameters. `crop_empty` and `same_grid` need
both sides: ``<name>(image, label, **parameters) -> (image, label)``. Steps run in the order of the list, on the image
or on the label, and never change their input; `Picture` is in ``formats/picture.py``.

A reader is ``formats/<format>.read(path) -> Picture``; ``formats.read_picture(path)`` picks it by the ending, and a
folder is a series. Outlines and boxes of annotation files come as lists of shapes in pixels of the full image, in which
pixel i covers ``[i, i + 1)``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rasd_nnu.dataset_specs.schema.base import LabelValue, SpecModel

Side = Literal["image", "label"]
Colour = tuple[LabelValue, LabelValue, LabelValue]


class Threshold(SpecModel):
    """Values greater than `above` become 1, all others 0; also turns instance ids into a class (``above: 0``)."""

    do: Literal["threshold"]
    on: Literal["label"] = "label"
    above: float


class Remap(SpecModel):
    """Every value of the release -> label; a value that is not listed is an error, or becomes `others`."""

    do: Literal["remap"]
    on: Literal["label"] = "label"
    values: dict[int, LabelValue] = Field(min_length=1)
    others: LabelValue | None = None


class ColourLabel(SpecModel):
    """One colour of a coloured label map."""

    rgb: Colour
    label: LabelValue


class Colours(SpecModel):
    """Colours of an RGB label map -> labels; a colour further than `tolerance` in a channel from all is an error."""

    do: Literal["colours"]
    on: Literal["label"] = "label"
    colours: tuple[ColourLabel, ...] = Field(min_length=1)
    tolerance: int = Field(0, ge=0, le=127)


class Channel(SpecModel):
    """Keep one channel: the green one of a colour image, a time frame, the class channel of a mask."""

    do: Literal["channel"]
    on: Side
    index: int = Field(ge=0)


class Gray(SpecModel):
    """Three colour channels -> one: the common one where they are equal, else the luminance (ITU-R BT.601)."""

    do: Literal["gray"]
    on: Side


class Reorient(SpecModel):
    """Order and direct the axes of a volume as named, as in ``LPS``."""

    do: Literal["reorient"]
    on: Side
    axes: str = Field("LPS", pattern=r"^[LRAPIS]{3}$")


class Flip(SpecModel):
    """Reverse axes of the array; the geometry stays, so it repairs files whose order contradicts their geometry."""

    do: Literal["flip"]
    on: Side
    axes: tuple[Literal["z", "y", "x"], ...] = Field(min_length=1)


class Resize(SpecModel):
    """Resample to a grid ``([Z,] Y, X)``: linear for images, nearest for labels."""

    do: Literal["resize"]
    on: Side
    shape: tuple[int, ...] = Field(min_length=2, max_length=3)


class CropEmpty(SpecModel):
    """Cut off borders in which the image is not above `above`, keeping `margin` voxels; label alike."""

    do: Literal["crop_empty"]
    on: Literal["image"] = "image"
    above: float = 0
    margin: int = Field(0, ge=0)


class SameGrid(SpecModel):
    """Give the label the geometry of the image where the two differ by at most `tolerance_mm`, else an error."""

    do: Literal["same_grid"]
    on: Literal["label"] = "label"
    tolerance_mm: float = Field(gt=0)


class Patch(SpecModel):
    """Cut a box of voxels around a point in mm, given by three fields of the case in the order x, y, z.

    Voxels outside the image become its smallest value. Points in LPS, as in ITK's and DICOM's files.
    """

    do: Literal["patch"]
    on: Literal["image"] = "image"
    centre: tuple[str, str, str]
    shape: tuple[int, int, int]


Step = Annotated[
    Threshold | Remap | Colours | Channel | Gray | Reorient | Flip | Resize | CropEmpty | SameGrid | Patch,
    Field(discriminator="do"),
]
