"""Label maps of filled boxes, so that nnU-Net plans and preprocesses a detection data set, and can segment it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable

import numpy as np

from rasd_nnu.errors import DatasetError
from rasd_nnu.files import write_text
from rasd_nnu.tasks.detection.data import Case, DetectionData


def filled_boxes(case: Case) -> np.ndarray:
    """Return a label map ``(Y, X)`` or ``(Z, Y, X)``: class + 1 inside of a box, small boxes over large ones."""
    label = np.zeros(case.size[::-1], np.uint8)
    dims = len(case.size)
    pairs = zip(case.boxes, case.labels, strict=True)
    for box, own in sorted(
        pairs, key=lambda p: -math.prod(b - a for a, b in zip(p[0][:dims], p[0][dims:], strict=True))
    ):
        inside = (slice(math.floor(a), math.ceil(b)) for a, b in zip(box[:dims], box[dims:], strict=True))
        label[tuple(inside)[::-1]] = own + 1
    return label


def write_stand_ins(data: DetectionData, track: Callable[[Iterable[Case]], Iterable[Case]] = lambda c: c) -> int:
    """Write a label map for each training case that has none; return how many were written.

    ``dataset.json`` gets a background. Done cases are left alone, so that an interrupted call goes on.

    Raises:
        DatasetError: If an image cannot be read, or is of another size than ``boxes.json`` says.
    """
    from nnunetv2.imageio.reader_writer_registry import determine_reader_writer_from_dataset_json

    content, folder = data.dataset_json, data.folder
    labels = {"background": 0} | {name: index + 1 for index, name in enumerate(data.classes)}
    if content.get("labels") != labels:
        content["labels"] = labels
        write_text(folder / "dataset.json", json.dumps(content, indent=2) + "\n")
    (folder / "labelsTr").mkdir(exist_ok=True)
    ending = content["file_ending"]
    missing = [c for c in data.cases if c.split != "test" and not (folder / "labelsTr" / f"{c.name}{ending}").is_file()]
    for case in track(missing):
        images = sorted(map(str, (folder / "imagesTr").glob(f"{case.name}_????{ending}")))
        reader = determine_reader_writer_from_dataset_json(content, images[0], verbose=False)()
        try:
            image, properties = reader.read_images(images)
        except Exception as error:  # every image library has its own
            raise DatasetError(f"cannot read {images[0]} ({type(error).__name__}: {error}). Check the file.") from None
        label = filled_boxes(case).reshape((1,) * (3 - len(case.size)) + case.size[::-1])
        if image.shape[1:] != label.shape:
            raise DatasetError(
                f"case {case.name!r} is of {' x '.join(map(str, image.shape[:0:-1]))} voxels, but boxes.json says "
                f"{' x '.join(map(str, case.size))}. Prepare the data set again."
            )
        partial = folder / "labelsTr" / f".{case.name}.partial{ending}"
        reader.write_seg(label, str(partial), properties)
        partial.replace(folder / "labelsTr" / f"{case.name}{ending}")
    return len(missing)
