"""A classification data set: cases, questions and classes, patients and folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rasd_nnu.errors import DatasetError
from rasd_nnu.tasks import data as common
from rasd_nnu.tasks.data import TaskData, read_folder
from rasd_nnu.tasks.images import read_preprocessed


@dataclass(frozen=True)
class Case(common.Case):
    """A case with its labels.

    Args:
        truth: Class number of each question; -1 where it is not known.
    """

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
class ClassificationData(TaskData[Case]):
    """A prepared data set, without its images.

    Args:
        questions: What is asked.
    """

    questions: Questions


def read_data(folder: Path) -> ClassificationData:
    """Read ``dataset.json``, ``cases.csv`` and ``splits_final.json``.

    Raises:
        DatasetError: If a file is missing, a label is, a case is on two sides of a split, or the training cases of a
            fold have one class only.
    """
    dataset_json, rows, folds = read_folder(folder)
    questions = _questions(dataset_json, folder)
    cases = tuple(_case(row, questions, folder) for row in rows)
    data = ClassificationData(folder, dataset_json, cases, folds, questions)
    for number in range(len(data.folds)):
        with_classes(data.fold(number)[0], questions, f"training cases of fold {number}", folder.name)
    return data


def _questions(dataset_json: dict[str, Any], folder: Path) -> Questions:
    content = dataset_json.get("classes")
    if not isinstance(content, dict) or not content or not all(map(_are_numbered, content.values())):
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


def _are_numbered(classes: object) -> bool:
    return isinstance(classes, dict) and all(type(number) is int for number in classes.values())


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


def with_classes(cases: Sequence[Case], questions: Questions, what: str, dataset: str) -> None:
    """Check that there are two classes or more to learn from.

    Raises:
        DatasetError: If a question has one class only.
    """
    for question, name in enumerate(questions.names):
        found = {case.truth[question] for case in cases} - {-1}
        if len(found) < 2:
            only = questions.classes[question][found.pop()] if found else "none"
            raise DatasetError(
                f"the {what} of {dataset} have one class only for {name!r} ({only}); expected two or more. Split anew, "
                "or ask for more."
            )


def kind_of(cases: Sequence[Case]) -> tuple[int, ...]:
    """Return the answers of a patient's first case, by which few labelled patients are drawn in turn."""
    return cases[0].truth


class Images:
    """Preprocessed images of one size, kept in memory.

    An image that is larger than the plan's patch is resized to it, a smaller one is padded with zeros around it.

    Args:
        dataset: nnU-Net's reader of preprocessed cases.
        names: Cases.
        size: The plan's patch.
    """

    def __init__(self, dataset: Any, names: Sequence[str], size: tuple[int, ...]) -> None:
        self._images = {name: fixed_size(torch.from_numpy(read_preprocessed(dataset, name)[0]), size) for name in names}

    def __getitem__(self, name: str) -> Tensor:
        """Return ``(C, *size)`` float32."""
        return self._images[name]


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
