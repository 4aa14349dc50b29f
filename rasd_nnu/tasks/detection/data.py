"""A detection data set: cases with their boxes, patients and folds."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from rasd_nnu.errors import DatasetError
from rasd_nnu.reading import read_json, read_json_object
from rasd_nnu.records.base import first_fault
from rasd_nnu.records.detection import Box


@dataclass(frozen=True)
class Case:
    """A case.

    Args:
        name: Its identifier.
        group: Patient.
        split: ``train`` or ``test``.
        size: Width, height and, of a volume, depth of the written image.
        boxes: True boxes in the convention of the records: lower corner, then upper corner, x first.
        labels: Class of each box, from 0.
    """

    name: str
    group: str
    split: str
    size: tuple[int, ...]
    boxes: tuple[Box, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class DetectionData:
    """A prepared data set, without its images.

    Args:
        folder: Raw folder.
        dataset_json: nnU-Net's description.
        classes: Names of the classes.
        cases: All cases.
        folds: Training and validation cases of each fold.
    """

    folder: Path
    dataset_json: dict[str, Any]
    classes: tuple[str, ...]
    cases: tuple[Case, ...]
    folds: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

    def by_name(self, names: Sequence[str]) -> list[Case]:
        """Return cases in the order of ``names``."""
        known = {case.name: case for case in self.cases}
        if missing := [name for name in names if name not in known]:
            raise DatasetError(
                f"splits_final.json of {self.folder.name} names {missing[0]!r}, which cases.csv has not. "
                "Prepare the data set again."
            )
        return [known[name] for name in names]

    def test_cases(self) -> list[Case]:
        """Return the held-out cases, if there are any."""
        return [case for case in self.cases if case.split == "test"]


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


def read_data(folder: Path) -> DetectionData:
    """Read ``dataset.json``, ``cases.csv``, ``splits_final.json`` and ``boxes.json``.

    Raises:
        DatasetError: If a file or an image is missing, a box is outside of its image or empty, a category is unknown,
            or a case is on two sides of a split.
    """
    for name in ("dataset.json", "cases.csv", "splits_final.json", "boxes.json"):
        if not (folder / name).is_file():
            raise DatasetError(f"{folder} has no {name}, expected a data set of `rasd_nnu tasks prepare`.")
    dataset_json = read_json_object(folder / "dataset.json", DatasetError)
    try:
        content = _BoxesFile.model_validate(read_json(folder / "boxes.json", DatasetError))
    except ValidationError as error:
        raise DatasetError(f"{folder}/boxes.json is not in COCO's form: {first_fault(error)}. Prepare anew.") from None
    with (folder / "cases.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    folds = read_json(folder / "splits_final.json", DatasetError)
    if not isinstance(folds, list) or not all(isinstance(f, dict) and {"train", "val"} <= f.keys() for f in folds):
        raise DatasetError(f"{folder}/splits_final.json is no list of folds with 'train' and 'val'. Prepare anew.")
    data = DetectionData(
        folder,
        dataset_json,
        tuple(category.name for category in content.categories),
        _cases(content, rows, folder),
        tuple((tuple(f["train"]), tuple(f["val"])) for f in folds),
    )
    for number in range(len(data.folds)):
        _check_fold(data, number)
    return data


def _cases(content: _BoxesFile, rows: Sequence[dict[str, str]], folder: Path) -> tuple[Case, ...]:
    images = {image.case: image for image in content.images}
    known = {image.id: image for image in content.images}
    classes = {category.id: index for index, category in enumerate(content.categories)}
    found: dict[int, list[tuple[Box, int]]] = {number: [] for number in known}
    for entry in content.annotations:
        if entry.image_id not in known:
            raise DatasetError(f"boxes.json of {folder.name} has a box of image {entry.image_id}, which it lacks.")
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


def _check_fold(data: DetectionData, number: int) -> None:
    train, valid = (data.by_name(names) for names in data.folds[number])
    sides = [{case.name for case in side} for side in (train, valid)] + [{case.name for case in data.test_cases()}]
    for a, b in ((0, 1), (0, 2)):
        if both := sides[a] & sides[b]:
            raise DatasetError(
                f"case {min(both)!r} of {data.folder.name} is on two sides of fold {number}. Split anew."
            )
    if not any(case.boxes for case in train):
        raise DatasetError(f"no training case of fold {number} of {data.folder.name} has a box. Split anew.")
