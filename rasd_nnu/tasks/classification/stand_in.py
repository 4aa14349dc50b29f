"""Label maps that stand in where there are none, so that nnU-Net plans and preprocesses a classification data set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from rasd_nnu.errors import DatasetError
from rasd_nnu.files import write_text
from rasd_nnu.reading import read_json_object

#: The whole image is one structure, so that the fingerprint's intensities are those of the image.
LABELS = {"background": 0, "image": 1}


def write_stand_ins(folder: Path, track: Callable[[Sequence[str]], Iterable[str]] = lambda cases: cases) -> int:
    """Write a label map of ones for each training case of a raw data set that has none; return how many were written.

    ``dataset.json`` gets `LABELS`. Done cases are left alone, so that an interrupted call goes on.

    Args:
        folder: Raw data set with ``imagesTr``.
        track: Shows progress.

    Raises:
        DatasetError: If there are no images.
    """
    from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json
    from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

    file = folder / "dataset.json"
    content = read_json_object(file, DatasetError)
    if content.get("labels") != LABELS:
        content["labels"] = LABELS
        write_text(file, json.dumps(content, indent=2) + "\n")
    labels = folder / "labelsTr"
    labels.mkdir(exist_ok=True)
    cases = get_filenames_of_train_images_and_targets(str(folder), content)
    if not cases:
        raise DatasetError(f"{folder} has no images in imagesTr. Prepare the data set again.")
    images = next(iter(cases.values()))["images"]
    reader = determine_reader_writer_from_dataset_json(content, images[0], verbose=False)()
    ending = content["file_ending"]
    missing = [name for name in cases if not (labels / f"{name}{ending}").is_file()]
    for name in track(missing):
        data, properties = reader.read_images(cases[name]["images"])
        partial = labels / f".{name}.partial{ending}"
        reader.write_seg(np.ones(data.shape[1:], np.uint8), str(partial), properties)
        partial.replace(labels / f"{name}{ending}")
    return len(missing)
