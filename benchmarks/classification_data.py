"""The classification tasks of classification.py: where their images come from and how they are trained."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from skimage.measure import block_reduce
from sklearn.metrics import roc_auc_score

from rasd_nnu.files import write_text

_TEST_EVERY = 3  # every third case of the hippocampus set is a test case

_SPEC = """\
key: hippocampus_size
id: 674
name: HippocampusSize
title: Volume of the hippocampus above or below the median of the training cases, from the MR image at 2 mm alone
modality: MR
dims: 3
task: classification
region: hippocampus
target: volume above the median
channels: [MRI]
labels: {small: 0, large: 1}
homepage: http://medicaldecathlon.com
access: open
licence: CC BY-SA 4.0
citation:
  - {authors: "Antonelli, Michela and others", title: The Medical Segmentation Decathlon, year: 2022,
     venue: "Nature Communications 13:4128"}
layout:
  kind: rows
  folder: hippocampus_size
  cases: 130
  table: sizes.csv
  image: '{case}.nii.gz'
  case: '{case}'
annotation:
  kind: classes
  columns:
    label: {value: '{size}', names: {small: small, large: large}}
group: {by: case, why: the release has one image a patient}
split: {test: {field: part, values: test}}
"""


@dataclass(frozen=True)
class Task:
    """A task.

    Args:
        key: Short name.
        dataset: Full name of the data set.
        configuration: Planned configuration.
        epochs: Labelled images (None: all of the fold) -> epochs; an epoch draws 512 images at least.
        features: Of the first stage, fewer than planned, for CPU cores.
        batch_size: Images a step, in pre-training and fine-tuning.
        pretrain_iterations: Steps of pre-training.
        release: From RASD_DATA and the folder of the run: key or path of the spec, and the release.
        described: From the folder of the run: facts that the table needs.
    """

    key: str
    dataset: str
    configuration: str
    epochs: dict[int | None, int]
    features: int
    batch_size: int
    pretrain_iterations: int
    release: Callable[[Path, Path], tuple[str, Path]]
    described: Callable[[Path], dict[str, Any]] = field(default=lambda folder: {})

    @property
    def compact(self) -> str:
        """Name of the configuration with fewer features."""
        return f"{self.configuration}_compact"


def _pneumonia(data: Path, folder: Path) -> tuple[str, Path]:
    return "pneumoniamnist", data / "pneumoniamnist"


def _hippocampus_size(data: Path, folder: Path) -> tuple[str, Path]:
    """Write images and a table of classes; the class is whether the labelled volume is above the training median."""
    release = folder / "hippocampus_size"
    spec = folder / "hippocampus_size.yaml"
    if not spec.is_file():
        release.mkdir(exist_ok=True)
        rows = []
        for number, path in enumerate(sorted((data / "Task04_Hippocampus" / "labelsTr").glob("hippocampus_*.nii.gz"))):
            image = nibabel.load(path)
            volume = float((np.asarray(image.dataobj) > 0).sum() * np.prod(image.header.get_zooms()[:3]))
            case = path.name.removesuffix(".nii.gz")
            part = "test" if number % _TEST_EVERY == 0 else "train"
            rows.append({"case": case, "part": part, "mm3": volume, "field_of_view": int(np.prod(image.shape))})
            _write_halved(data / "Task04_Hippocampus" / "imagesTr" / path.name, release / path.name)
        median = float(np.median([row["mm3"] for row in rows if row["part"] == "train"]))
        with (release / "sizes.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, [*rows[0], "size"])
            table.writeheader()
            table.writerows({**row, "size": "large" if row["mm3"] > median else "small"} for row in rows)
        write_text(spec, _SPEC)
    return str(spec), release


def _write_halved(source: Path, target: Path) -> None:
    """Write an image with voxels of twice the edge, each the mean of eight, so that two CPU cores are enough."""
    image = nibabel.load(source)
    small = block_reduce(np.asarray(image.dataobj, np.float32), (2, 2, 2), np.mean)
    affine = image.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = nibabel.affines.apply_affine(image.affine, [0.5, 0.5, 0.5])
    nibabel.save(nibabel.Nifti1Image(small, affine), target)


def _size_described(folder: Path) -> dict[str, Any]:
    """Return what is to know about the classes: how far the size of the image alone tells them."""
    with (folder / "hippocampus_size" / "sizes.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "test"]
    truth = [row["size"] == "large" for row in rows]
    alone = roc_auc_score(truth, [float(row["field_of_view"]) for row in rows])
    return {"test_images": len(rows), "large": sum(truth), "auc_of_image_size_alone": round(float(alone), 4)}


TASKS = {
    task.key: task
    for task in (
        Task("pneumonia", "Dataset673_PneumoniaMNIST", "2d", {20: 10, 100: 10, None: 5}, 16, 32, 2000, _pneumonia),
        Task(
            "hippocampus_size",
            "Dataset674_HippocampusSize",
            "3d_fullres",
            {None: 3},
            8,
            8,
            500,
            _hippocampus_size,
            _size_described,
        ),
    )
}
