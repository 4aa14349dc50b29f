"""A detection data set: cases with their boxes, patients and folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from rasd_nnu.errors import DatasetError
from rasd_nnu.reading import read_json
from rasd_nnu.records.base import first_fault
from rasd_nnu.records.detection import Box
from rasd_nnu.tasks import data as common
from rasd_nnu.tasks.data import TaskData, first_twice, read_folder


@dataclass(frozen=True)
class Case(common.Case):
    """A case with its boxes.

    Args:
        size: Width, height and, of a volume, depth of the written image.
        boxes: True boxes in the convention of the records: lower corner, then upper corner, x first.
        labels: Class of each box, from 0.
    """

    size: tuple[int, ...]
    boxes: tuple[Box, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class DetectionData(TaskData[Case]):
    """A prepared data set, without its images.

    Args:
        classes: Names of the classes.
    """

    classes: tuple[str, ...]


class _Category(BaseModel):
    id: int
    name: str = Field(min_length=1)


class _Image(BaseModel):
    id: int
    case: str
    file_name: str
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    depth: int | None = Field(None, ge=1)

    @property
    def size(self) -> tuple[int, ...]:
        return (self.width, self.height) if self.depth is None else (self.width, self.height, self.depth)


class _Annotation(BaseModel):
    image_id: int
    category_id: int
    bbox: list[float] = Field(min_length=4, max_length=6)


class _BoxesFile(BaseModel):
    categories: list[_Category] = Field(min_length=1)
    images: list[_Image] = Field(min_length=1)
    annotations: list[_Annotation]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for what, keys in (
            ("categories have id", [category.id for category in self.categories]),
            ("categories have name", [category.name for category in self.categories]),
            ("images have id", [image.id for image in self.images]),
            ("images have case", [image.case for image in self.images]),
        ):
            if (twice := first_twice(keys)) is not None:
                raise ValueError(f"two {what} {twice!r}")
        return self


def read_data(folder: Path) -> DetectionData:
    """Read ``dataset.json``, ``cases.csv``, ``splits_final.json`` and ``boxes.json``.

    Raises:
        DatasetError: If a file or an image is missing, a box is outside of its image or empty, a category is unknown,
            or a case is on two sides of a split.
    """
    dataset_json, rows, folds = read_folder(folder, ["boxes.json"])
    try:
        content = _BoxesFile.model_validate(read_json(folder / "boxes.json", DatasetError))
    except ValidationError as error:
        raise DatasetError(f"{folder}/boxes.json is not in COCO's form: {first_fault(error)}. Prepare anew.") from None
    classes = tuple(category.name for category in content.categories)
    data = DetectionData(folder, dataset_json, _cases(content, rows, folder), folds, classes)
    for number in range(len(data.folds)):
        with_boxes(data.fold(number)[0], f"training case of fold {number}", folder.name)
    return data


def _cases(content: _BoxesFile, rows: Sequence[dict[str, str]], folder: Path) -> tuple[Case, ...]:
    images = {image.case: image for image in content.images}
    known = {image.id: image for image in content.images}
    classes = {category.id: index for index, category in enumerate(content.categories)}
    found: dict[int, list[tuple[Box, int]]] = {number: [] for number in known}
    for entry in content.annotations:
        if entry.image_id not in known:
            raise DatasetError(
                f"boxes.json of {folder.name} has a box of image {entry.image_id}, which it lacks. Add the image, or "
                "remove the box."
            )
        if entry.category_id not in classes:
            raise DatasetError(
                f"boxes.json of {folder.name} has a box of category {entry.category_id} in case "
                f"{known[entry.image_id].case!r}, expected one of {', '.join(map(str, classes))}. Correct its category."
            )
        box = _box(entry.bbox, known[entry.image_id], folder)
        found[entry.image_id].append((box, classes[entry.category_id]))
    cases = []
    for row in rows:
        image = images.get(row["case"])
        if image is None or not _inside(folder, image.file_name).is_file():
            what = "no entry in boxes.json" if image is None else f"no image {image.file_name!r}"
            raise DatasetError(f"case {row['case']!r} of {folder.name} has {what}. Prepare the data set again.")
        own = found[image.id]
        cases.append(
            Case(
                row["case"],
                row["group"],
                row["split"],
                image.size,
                tuple(box for box, _ in own),
                tuple(label for _, label in own),
            )
        )
    return tuple(cases)


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise DatasetError(f"boxes.json of {folder.name} names {name!r}, expected a file inside of the data set.")
    return path


def _box(edges: list[float], image: _Image, folder: Path) -> Box:
    """Return lower and upper corner of ``[left, top, (front,) width, height(, depth)]``."""
    dims = len(image.size)
    low, extent = edges[:dims], edges[dims:]
    fits = len(edges) == 2 * dims and all(
        b >= 0 and s > 0 and b + s <= n for b, s, n in zip(low, extent, image.size, strict=True)
    )
    if not fits:
        raise DatasetError(
            f"boxes.json of {folder.name} has the box {edges} in case {image.case!r}, expected lower corner and sizes "
            f"above 0 inside of an image of {' x '.join(map(str, image.size))}. Correct or remove it."
        )
    return (*low, *(b + s for b, s in zip(low, extent, strict=True)))  # type: ignore[return-value]


def with_boxes(cases: Sequence[Case], what: str, dataset: str) -> None:
    """Check that there is a box to learn from.

    Raises:
        DatasetError: If there is none.
    """
    if not any(case.boxes for case in cases):
        raise DatasetError(f"no {what} of {dataset} has a box. Split anew, or ask for more.")


def kind_of(cases: Sequence[Case]) -> tuple[int, ...]:
    """Return the classes of a patient's boxes, by which few labelled patients are drawn in turn."""
    return tuple(sorted({label for case in cases for label in case.labels}))
