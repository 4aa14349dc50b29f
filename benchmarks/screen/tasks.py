"""The screen's tasks: the segmentation sets of ``RASD_DATA`` as small arrays, with fixed test patients."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel
import numpy as np
from skimage.io import imread
from skimage.transform import resize

#: Settled before the first run (docs/evidence/log.md): recipes are found on the first and judged once on the second.
CHOOSING = ("sunnybrook_lv", "camus_us", "covid_ct", "dsb2018_histology")
CONFIRMING = ("hippocampus_2d", "hippocampus_3d", "usgra_us", "muscle_ultrasound", "wbc_smear")

#: Trained on one source, tested on another: for robustness, no part of the primary measure.
ACROSS = ("covid_ct_across",)


@dataclass(frozen=True)
class Case:
    """An image and its labels.

    Attributes:
        patient: Name of the patient, or of the image where patients are unknown.
        image: ``(C, *S)`` float32, each channel standardised.
        label: ``(*S)`` uint8.
    """

    patient: str
    image: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class Task:
    """A segmentation task.

    Args:
        key: Its name.
        classes: Number of classes with background.
        channels: Number of channels.
        patch: Size of the training patch.
        test_patients: Number of fixed patients to test on; the others are drawn from for training.
        test_images: Most images of a test patient.
        read: Yields ``(patient, image, label)`` in a fixed order, given the folder with the data sets.
        source: Beginning of the names of the patients to train on, where the others, of another source, are tested on.
    """

    key: str
    classes: int
    channels: int
    patch: tuple[int, ...]
    test_patients: int
    test_images: int
    read: Callable[[Path], Iterator[tuple[str, np.ndarray, np.ndarray]]]
    source: str | None = None

    def cases(self) -> tuple[list[Case], list[Case]]:
        """Return the cases to draw training patients from, and those to test on."""
        return _cases(self.key)

    def labelled(self, count: int, seed: int) -> list[Case]:
        """Return the images of the ``count`` patients that are labelled for ``seed``."""
        pool = self.cases()[0]
        order = np.random.default_rng([seed, 1]).permutation(sorted({case.patient for case in pool}))
        if len(order) < count:
            raise ValueError(f"{self.key} has {len(order)} patients to train on, not {count}")
        return [case for case in pool if case.patient in set(order[:count])]


@lru_cache(maxsize=4)
def _cases(key: str) -> tuple[list[Case], list[Case]]:
    task = TASKS[key]
    cases = [
        Case(patient, _standardised(image), label.astype(np.uint8))
        for patient, image, label in task.read(Path(os.environ["RASD_DATA"]))
    ]
    names = sorted({case.patient for case in cases if task.source is None or not case.patient.startswith(task.source)})
    patients = np.random.default_rng(0).permutation(names)
    tested = set(patients[: task.test_patients])
    pool = [case for case in cases if case.patient not in tested]
    test: list[Case] = []
    for patient in sorted(tested):
        own = [case for case in cases if case.patient == patient]
        keep = np.linspace(0, len(own) - 1, min(len(own), task.test_images)).round().astype(int)
        test += [own[i] for i in keep]
    return pool, test


def _standardised(image: np.ndarray) -> np.ndarray:
    axes = tuple(range(1, image.ndim))
    mean, std = image.mean(axes, keepdims=True), image.std(axes, keepdims=True)
    return ((image - mean) / np.maximum(std, 1e-8)).astype(np.float32)


def _scaled(image: np.ndarray, label: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Resize ``(C, *S)`` with anti-aliasing, and the labels through one map a class, the largest of which wins."""
    small = np.stack([resize(channel.astype(np.float32), shape, order=1, anti_aliasing=True) for channel in image])
    values = np.unique(label)
    shares = [resize((label == value).astype(np.float32), shape, order=1, anti_aliasing=True) for value in values]
    return small, values[np.argmax(shares, axis=0)]


def _shape(size: tuple[int, ...], longest: int) -> tuple[int, ...]:
    return tuple(max(1, round(n * longest / max(size))) for n in size)


def _channels_first(picture: np.ndarray, channels: int) -> np.ndarray:
    if channels == 1:
        return (picture if picture.ndim == 2 else picture[..., 0])[None]
    return np.moveaxis(picture[..., :channels], -1, 0)


def _pictures(
    name: str, longest: int, channels: int = 1
) -> Callable[[Path], Iterator[tuple[str, np.ndarray, np.ndarray]]]:
    """Read a set with ``cases.csv``."""

    def read(data: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        folder = data / name
        with (folder / "cases.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            patient = row["case"] if row["patient"] == "unknown" else row["patient"]
            image, label = imread(folder / row["image"]), imread(folder / row["label"])
            yield patient, *_scaled(_channels_first(image, channels), label, _shape(label.shape, longest))

    return read


def _pairs(
    name: str, masks: str, longest: int, channels: int = 1
) -> Callable[[Path], Iterator[tuple[str, np.ndarray, np.ndarray]]]:
    """Read a set of images and masks of the same names; what is not 0 is class 1."""

    def read(data: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        for file in sorted((data / name / "images").glob("*.png")):
            image, label = imread(file), (imread(data / name / masks / file.name) > 0).astype(np.uint8)
            yield file.stem, *_scaled(_channels_first(image, channels), label, _shape(label.shape, longest))

    return read


def _volumes(data: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    folder = data / "Task04_Hippocampus"
    for file in sorted((folder / "labelsTr").glob("hippocampus*.nii.gz")):
        image = np.asarray(nibabel.load(folder / "imagesTr" / file.name).dataobj, np.float32)
        yield file.name, image, np.asarray(nibabel.load(file).dataobj).astype(np.uint8)


def _hippocampus_3d(data: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for patient, image, label in _volumes(data):
        yield patient, *_scaled(image[None], label, tuple(round(n / 1.5) for n in image.shape))


def _hippocampus_2d(data: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Eight sagittal slices of each volume, from the inner two thirds of those with foreground."""
    for patient, image, label in _volumes(data):
        seen = np.flatnonzero(label.any((1, 2)))
        for index in seen[np.linspace((len(seen) - 1) / 6, 5 * (len(seen) - 1) / 6, 8).round().astype(int)]:
            yield patient, image[index][None], label[index]


TASKS = {
    task.key: task
    for task in (
        Task("sunnybrook_lv", 2, 1, (64, 64), 20, 3, _pictures("sunnybrook_lv", 112)),
        Task("camus_us", 4, 1, (64, 64), 60, 1, _pictures("camus_us", 72)),
        Task("covid_ct", 3, 1, (64, 64), 8, 7, _pictures("covid_ct", 72)),
        Task("covid_ct_across", 3, 1, (64, 64), 8, 7, _pictures("covid_ct", 72), source="coronacases"),
        Task("usgra_us", 3, 1, (64, 64), 60, 1, _pictures("usgra_us", 80)),
        Task("wbc_smear", 3, 3, (64, 64), 60, 1, _pictures("wbc_smear", 64, 3)),
        Task("muscle_ultrasound", 2, 1, (64, 64), 24, 1, _pairs("muscle_ultrasound", "masks", 96)),
        Task("dsb2018_histology", 2, 3, (64, 64), 30, 1, _pairs("dsb2018_histology", "instances", 128, 3)),
        Task("hippocampus_2d", 3, 1, (48, 64), 30, 2, _hippocampus_2d),
        Task("hippocampus_3d", 3, 1, (24, 32, 24), 30, 1, _hippocampus_3d),
    )
}
