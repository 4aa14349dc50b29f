"""Pictures of single cases of a detection, with the boxes of both arms, and of a classification."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from rasd_nnu.compare.page import Picture
from rasd_nnu.compare.result import Comparison
from rasd_nnu.errors import CompareError
from rasd_nnu.nnunet.env import nnunet_folder_if_set
from rasd_nnu.nnunet.results import fold_folder
from rasd_nnu.records import DetectionCase, read_detections, read_predictions
from rasd_nnu.records.detection import Box
from rasd_nnu.workflows.overlays import COLOURS, encoded, notable_rows, read_image, to_gray

EDGE = 300  # pixels of the longer side of a panel
_GAP = 4
_WIDTH = 2  # pixels of a box's outline

Pixels = npt.NDArray[np.uint8]
Labelled = Sequence[tuple[Box, int]]


def box_pictures(comparison: Comparison, dataset: str) -> list[Picture]:
    """Return the image of each notable case three times: with the true boxes, those of arm A and those of arm B.

    Of each class as many predicted boxes are drawn as there are true ones, those with the highest scores: they are what
    the score is of. A volume is shown at the slice that most true boxes share.

    Raises:
        CompareError: If an image is not in ``nnUNet_raw``, or cannot be read.
    """
    arms = [_first_found(comparison.sources[name]) for name in comparison.names]
    pictures = []
    for what, row in notable_rows(comparison.rows):
        case_a, case_b = (arm[row.case] for arm in arms)
        image = _gray_image(comparison, dataset, row.case)
        true = list(zip(case_a.boxes_true, case_a.labels_true, strict=True))
        level = _busiest_slice([box for box, _ in true], image.shape[0]) if image.ndim == 3 else None
        plane = image if level is None else image[level]
        panels = [_boxes(plane, drawn, level) for drawn in (true, _best(case_a), _best(case_b))]
        caption = f"{row.case}: {what}. A {row.a:.3f}, B {row.b:.3f}. From left: truth, A, B."
        pictures.append(encoded(_side_by_side(panels), caption))
    return pictures


def class_pictures(comparison: Comparison, dataset: str) -> list[Picture]:
    """Return the image of each notable case with its truth and what the arms say of it; three planes of a volume.

    Raises:
        CompareError: If an image is not in ``nnUNet_raw``, or cannot be read.
    """
    cases = {c.case: c for path in comparison.sources[comparison.names[0]] for c in read_predictions(Path(path)).cases}
    pictures = []
    for what, row in notable_rows(comparison.rows):
        image = _gray_image(comparison, dataset, row.case)
        planes = [image] if image.ndim == 2 else [np.flipud(image.take(n // 2, i)) for i, n in enumerate(image.shape)]
        truth = ", ".join(name for name, there in cases[row.case].labels.items() if there) or "no finding"
        caption = f"{row.case}: {what}. Truth: {truth}; its probability in A {row.a:.3f}, in B {row.b:.3f}."
        pictures.append(encoded(_side_by_side([_boxes(plane, [], None) for plane in planes]), caption))
    return pictures


def box_colours(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Return name and CSS colour of each class of boxes."""
    return [(name, "rgb({}, {}, {})".format(*COLOURS[i % len(COLOURS)])) for i, name in enumerate(classes)]


def _first_found(sources: Sequence[str]) -> dict[str, DetectionCase]:
    """Return case -> record of the first training that has it."""
    found: dict[str, DetectionCase] = {}
    for source in sources:
        for case in read_detections(Path(source)).cases:
            found.setdefault(case.case, case)
    return found


def _gray_image(comparison: Comparison, dataset: str, case: str) -> npt.NDArray[np.float64]:
    """Return the first channel of a case in nnUNet_raw as values from 0 to 1."""
    raw = nnunet_folder_if_set("nnUNet_raw")
    fold = fold_folder(Path(comparison.sources[comparison.names[0]][0]))
    folder = raw / (fold.parents[1].name if fold else dataset) if raw else None
    if folder is None or not folder.is_dir():
        raise CompareError(f"the images of {dataset} are not in nnUNet_raw")
    for part in ("imagesTr", "imagesTs"):
        for path in sorted((folder / part).glob("*_0000.*")):
            if path.name.startswith(f"{case}_0000."):
                return to_gray(read_image(path)[0])
    raise CompareError(f"{folder} has no image {case}_0000 in imagesTr or imagesTs")


def _best(case: DetectionCase) -> list[tuple[Box, int]]:
    """Return, of each class, as many predicted boxes as there are true ones, those with the highest scores."""
    found = []
    for label in sorted(set(case.labels_true)):
        own = [i for i, other in enumerate(case.labels) if other == label]
        own.sort(key=lambda i: -case.scores[i])
        found += [(case.boxes[i], label) for i in own[: case.labels_true.count(label)]]
    return found


def _busiest_slice(boxes: Sequence[Box], depth: int) -> int:
    """Return the slice that most boxes share; the middle one without boxes."""
    inside = np.zeros(depth)
    for box in boxes:
        low, high = _along_slices(box)
        inside[max(0, int(low)) : max(int(np.ceil(high)), int(low) + 1)] += 1
    return int(inside.argmax()) if inside.any() else depth // 2


def _along_slices(box: Box) -> tuple[float, float]:
    """Return where a box of a volume begins and ends along the slices."""
    corners = list(box)
    return corners[2], corners[5]


def _boxes(plane: npt.NDArray[np.float64], boxes: Labelled, level: int | None) -> Pixels:
    """Return a plane, shape (rows, columns), with the outlines of the boxes that lie in it."""
    factor = EDGE / max(plane.shape)
    size = max(1, round(plane.shape[1] * factor)), max(1, round(plane.shape[0] * factor))
    picture = Image.fromarray((plane * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    pen = ImageDraw.Draw(picture)
    for box, label in boxes:
        half = len(box) // 2
        if level is None or _along_slices(box)[0] <= level < _along_slices(box)[1]:
            corners = [box[0], box[1], box[half], box[half + 1]]
            pen.rectangle([corner * factor for corner in corners], outline=COLOURS[label % len(COLOURS)], width=_WIDTH)
    return np.asarray(picture)


def _side_by_side(panels: Sequence[Pixels]) -> Pixels:
    height = max(panel.shape[0] for panel in panels)
    padded = [np.pad(panel, ((0, height - panel.shape[0]), (0, _GAP), (0, 0))) for panel in panels]
    return np.concatenate(padded, axis=1)[:, :-_GAP]
