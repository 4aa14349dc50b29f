"""A classification data set: cases, questions and classes, patients and folds."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rasd_nnu.errors import DatasetError
from rasd_nnu.reading import read_json, read_json_object


@dataclass(frozen=True)
class Case:
    """A case.

    Args:
        name: Its identifier.
        group: Patient.
        split: ``train`` or ``test``.
        truth: Class number of each question; -1 where it is not known.
    """

    name: str
    group: str
    split: str
    truth: tuple[int, ...]


@dataclass(frozen=True)
class Questions:
    """What is asked of an image.

    One question with two or more classes has one answer (softmax). Several questions, each yes or no, may all be true
    (sigmoid each).

    Args:
        names: Names of the questions.
        classes: Class names of each question, in the order of their numbers.
    """

    names: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]

    @property
    def multilabel(self) -> bool:
        """Whether several findings may be present together."""
        return len(self.names) > 1

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the network's outputs: the classes of the one question, or the questions."""
        return self.names if self.multilabel else self.classes[0]


@dataclass(frozen=True)
class ClassificationData:
    """A prepared data set, without its images.

    Args:
        folder: Raw folder.
        dataset_json: nnU-Net's description.
        questions: What is asked.
        cases: All cases.
        folds: Training and validation cases of each fold.
    """

    folder: Path
    dataset_json: dict[str, Any]
    questions: Questions
    cases: tuple[Case, ...]
    folds: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]

    def by_name(self, names: Sequence[str]) -> list[Case]:
        """Return cases in the order of ``names``."""
        known = {case.name: case for case in self.cases}
        missing = [name for name in names if name not in known]
        if missing:
            raise DatasetError(
                f"splits_final.json of {self.folder.name} names {missing[0]!r}, which cases.csv has not. "
                "Prepare the data set again."
            )
        return [known[name] for name in names]

    def test_cases(self) -> list[Case]:
        """Return the held-out cases, if there are any."""
        return [case for case in self.cases if case.split == "test"]


def read_data(folder: Path) -> ClassificationData:
    """Read ``dataset.json``, ``cases.csv`` and ``splits_final.json``.

    Raises:
        DatasetError: If a file is missing, a label is, or a case or patient is on two sides of a split.
    """
    for name in ("dataset.json", "cases.csv", "splits_final.json"):
        if not (folder / name).is_file():
            raise DatasetError(f"{folder} has no {name}, expected a data set of `rasd_nnu tasks prepare`.")
    dataset_json = read_json_object(folder / "dataset.json", DatasetError)
    questions = _questions(dataset_json, folder)
    with (folder / "cases.csv").open(newline="", encoding="utf-8") as table:
        cases = tuple(_case(row, questions, folder) for row in csv.DictReader(table))
    folds = read_json(folder / "splits_final.json", DatasetError)
    if not isinstance(folds, list) or not all(isinstance(f, dict) and {"train", "val"} <= f.keys() for f in folds):
        raise DatasetError(f"{folder}/splits_final.json is no list of folds with 'train' and 'val'. Prepare anew.")
    data = ClassificationData(
        folder, dataset_json, questions, cases, tuple((tuple(f["train"]), tuple(f["val"])) for f in folds)
    )
    for number in range(len(data.folds)):
        _check_fold(data, number)
    return data


def _questions(dataset_json: dict[str, Any], folder: Path) -> Questions:
    content = dataset_json.get("classes")
    if not isinstance(content, dict) or not content:
        raise DatasetError(f"dataset.json of {folder.name} has no 'classes', expected question -> class -> number.")
    classes = tuple(tuple(sorted(numbers, key=numbers.__getitem__)) for numbers in content.values())
    for name, own in zip(content, classes, strict=True):
        if sorted(content[name].values()) != list(range(len(own))) or len(own) < 2:
            raise DatasetError(
                f"the classes of {name!r} in {folder.name} are not numbered 0, 1, ...; prepare it again."
            )
    if len(classes) > 1 and any(len(own) != 2 for own in classes):
        raise DatasetError(f"{folder.name} asks several questions, of which one has more than two classes; one each.")
    return Questions(tuple(content), classes)


def _case(row: dict[str, str], questions: Questions, folder: Path) -> Case:
    truth = []
    for name, classes in zip(questions.names, questions.classes, strict=True):
        text = (row.get(name) or "").strip()
        if not text and questions.multilabel:
            truth.append(-1)
            continue
        if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) < len(classes)):
            raise DatasetError(
                f"cases.csv of {folder.name}: case {row.get('case')!r} has {text!r} as {name!r}, expected a number "
                f"from 0 to {len(classes) - 1}. Correct or remove the row."
            )
        truth.append(int(text))
    return Case(row["case"], row["group"], row["split"], tuple(truth))


def _check_fold(data: ClassificationData, number: int) -> None:
    train, valid = (data.by_name(names) for names in data.folds[number])
    sides = [{case.name for case in side} for side in (train, valid)] + [{case.name for case in data.test_cases()}]
    for a, b in ((0, 1), (0, 2)):
        if both := sides[a] & sides[b]:
            raise DatasetError(
                f"case {min(both)!r} of {data.folder.name} is on two sides of fold {number}. Split anew."
            )
    for question, name in enumerate(data.questions.names):
        found = {case.truth[question] for case in train} - {-1}
        if len(found) < 2:
            only = data.questions.classes[question][found.pop()] if found else "none"
            raise DatasetError(
                f"the training cases of fold {number} of {data.folder.name} have one class only for {name!r} ({only}); "
                "expected two or more. Split anew."
            )


class Images:
    """Preprocessed images of one size, kept in memory.

    An image that is larger than the plan's patch is resized to it, a smaller one is padded with zeros around it.

    Args:
        dataset: nnU-Net's reader of preprocessed cases.
        names: Cases.
        size: The plan's patch.
    """

    def __init__(self, dataset: Any, names: Sequence[str], size: tuple[int, ...]) -> None:
        self._images = {name: fixed_size(_load(dataset, name), size) for name in names}

    def __getitem__(self, name: str) -> Tensor:
        """Return ``(C, *size)`` float32."""
        return self._images[name]


def _load(dataset: Any, name: str) -> Tensor:
    try:
        image = np.asarray(dataset.load_case(name)[0][:], dtype=np.float32)
    except Exception as error:  # blosc, pickle and the file system each have their own
        raise DatasetError(
            f"cannot read the preprocessed case {name!r} ({type(error).__name__}: {error}). Preprocess again."
        ) from None
    if not np.isfinite(image).all():
        raise DatasetError(f"the preprocessed case {name!r} has values that are not finite. Check the image.")
    return torch.from_numpy(image)


def fixed_size(image: Tensor, size: tuple[int, ...]) -> Tensor:
    """Resize ``(C, *S)`` along axes that are longer than ``size``, pad the others with zeros around it.

    Args:
        image: ``(C, *S)``; a 2D plan's image has one slice, ``(C, 1, Y, X)``.
        size: Two or three axes.

    Raises:
        DatasetError: If the images are volumes and the patch is a slice of them.
    """
    if image.ndim - 1 == len(size) + 1 and image.shape[1] == 1:
        image = image[:, 0]
    if image.ndim - 1 != len(size):
        raise DatasetError(
            f"the images have {image.ndim - 1} axes, but the plan's patch has {len(size)}: it cuts volumes into "
            "slices. Choose a 3D configuration."
        )
    shorter = [min(n, m) for n, m in zip(image.shape[1:], size, strict=True)]
    if list(image.shape[1:]) != shorter:
        mode = "bilinear" if len(size) == 2 else "trilinear"
        image = torch.nn.functional.interpolate(
            image[None], shorter, mode=mode, align_corners=False, antialias=len(size) == 2
        )[0]
    pads = [(m - n) // 2 for n, m in zip(shorter, size, strict=True)]
    out = image.new_zeros((image.shape[0], *size))
    out[(slice(None), *(slice(p, p + n) for p, n in zip(pads, shorter, strict=True)))] = image
    return out
