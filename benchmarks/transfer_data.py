"""The small real data sets of ``RASD_DATA`` as nnU-Net raw data sets, scaled down for two CPU cores."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skimage.io import imread, imsave
from skimage.measure import block_reduce

from rasd_nnu.dataset_specs.prepare import prepare
from rasd_nnu.dataset_specs.registry import get_spec


@dataclass(frozen=True)
class Task:
    """A data set and the configuration that is tried on it.

    Args:
        key: Name of the task.
        dataset: Full nnU-Net name.
        configuration: Planned configuration.
        write: Writes the raw data set, given ``RASD_DATA`` and ``nnUNet_raw``.
    """

    key: str
    dataset: str
    configuration: str
    write: Callable[[Path, Path], None]


def _hippocampus(data: Path, raw: Path) -> None:
    prepare(get_spec("msd04_hippocampus"), data / "Task04_Hippocampus", raw)


def _muscle(data: Path, raw: Path) -> None:
    root = data / "muscle_ultrasound"
    pairs = ((file.stem, file, root / "masks" / file.name) for file in sorted((root / "images").glob("*.png")))
    _pictures(pairs, raw / "Dataset901_MuscleUltrasound", {"0": "US"}, "aponeurosis", 4)


def _histology(data: Path, raw: Path) -> None:
    root = data / "dsb2018_histology"
    pairs = ((file.stem, file, root / "instances" / file.name) for file in sorted((root / "images").glob("*.png")))
    _pictures(pairs, raw / "Dataset902_HistologyNuclei", {"0": "R", "1": "G", "2": "B"}, "nucleus", 2)


def _pictures(
    pairs: Iterator[tuple[str, Path, Path]], folder: Path, channels: dict[str, str], structure: str, factor: int
) -> None:
    """Write pictures averaged, and masks taken by majority, over blocks of ``factor`` pixels."""
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (_, image_file, label_file) in enumerate(pairs):
        case = f"case_{number:03d}"
        image, label = imread(image_file), imread(label_file) > 0
        block = (factor, factor)
        image = image[..., : len(channels)] if image.ndim == 3 else image
        small = block_reduce(image, block + (1,) * (image.ndim - 2), np.mean).round().astype(np.uint8)
        if len(channels) == 1 and small.ndim == 3:
            small = small[..., 0]
        imsave(folder / "imagesTr" / f"{case}_0000.png", small, check_contrast=False)
        mask = (block_reduce(label, block, np.mean) >= 0.5).astype(np.uint8)
        imsave(folder / "labelsTr" / f"{case}.png", mask, check_contrast=False)
        rows.append((case, case))
    content = {
        "channel_names": channels,
        "labels": {"background": 0, structure: 1},
        "numTraining": len(rows),
        "file_ending": ".png",
    }
    (folder / "dataset.json").write_text(json.dumps(content, indent=2))
    with (folder / "cases.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("case", "group"), *rows])


TASKS = {
    task.key: task
    for task in (
        Task("hippocampus_3d", "Dataset004_Hippocampus", "3d_fullres", _hippocampus),
        Task("hippocampus_2d", "Dataset004_Hippocampus", "2d", _hippocampus),
        Task("muscle_2d", "Dataset901_MuscleUltrasound", "2d", _muscle),
        Task("histology_2d", "Dataset902_HistologyNuclei", "2d", _histology),
    )
}
