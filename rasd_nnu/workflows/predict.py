"""`rasd_nnu predict`: a folder of images, with a trained classifier or detector and nothing else."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import torch

from rasd_nnu.checkpoints.file import safe_load
from rasd_nnu.compare.export import plain_cell
from rasd_nnu.errors import DatasetError
from rasd_nnu.files import write_text
from rasd_nnu.nnunet.datasets import channel_files
from rasd_nnu.nnunet.results import MODEL

#: Stated in the file of a detection; the same as that of the records.
CONVENTION = (
    "a box is its lower corner, then its upper corner, x (columns) first, in continuous voxels of the original image: "
    "voxel i covers the interval from i to i + 1"
)


def predict_folder(model: Path, source: Path, out: Path, device: str = "cpu") -> int:
    """Predict all images of a folder with a trained model; return their number.

    Args:
        model: Folder with ``model.pth``.
        source: Folder of images named as nnU-Net's, ``<case>_0000.<ending>``.
        out: Of a classifier a CSV file: ``case``, one probability an output, and ``positive`` outputs by the
            thresholds. Of a detector a JSON file: ``convention``, ``classes``, and for each of ``cases`` its
            ``boxes``, ``scores`` and ``labels`` (numbers of classes), the best score first.
        device: Where to compute.

    Raises:
        UserError: If the model is none, or an image cannot be read.
    """
    detector = "rasd_detector" in safe_load(model / MODEL)
    return (_detect if detector else _classify)(model, source, out, torch.device(device))


def _classify(folder: Path, source: Path, out: Path, device: torch.device) -> int:
    from rasd_nnu.tasks.classification.model import Model

    model = Model.load(folder)
    files = _files(source, model.plan.dataset_json["file_ending"])
    values = model.predict(files, device)
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    outputs = model.questions.outputs
    table.writerow(["case", *(f"prob_{name}" for name in outputs), "positive"])
    for case, row in zip(files, values, strict=True):
        positive = [n for n, p in zip(outputs, row, strict=True) if p >= model.thresholds[n]]
        table.writerow([plain_cell(case), *(f"{p:.9g}" for p in row), " ".join(positive)])
    write_text(out, stream.getvalue())
    return len(files)


def _detect(folder: Path, source: Path, out: Path, device: torch.device) -> int:
    from rasd_nnu.tasks.detection import require_libraries

    require_libraries()
    from rasd_nnu.tasks.detection.images import FileImages
    from rasd_nnu.tasks.detection.model import Model

    model = Model.load(folder)
    files = _files(source, model.plan.dataset_json["file_ending"])
    images = FileImages(files, model.plan)
    cases = []
    for case in files:
        found = model.find(images[case], device)
        cases.append({"case": case, "boxes": found.boxes, "scores": found.scores, "labels": found.labels})
    content = {"convention": CONVENTION, "classes": model.classes, "cases": cases}
    write_text(out, json.dumps(content, allow_nan=False) + "\n")
    return len(files)


def _files(source: Path, ending: str) -> dict[str, list[str]]:
    """Return case -> the files of its channels, in order."""
    found = sorted(source.glob(f"*_0000{ending}"))
    if not found:
        raise DatasetError(f"{source} has no images named <case>_0000{ending}. Name them as for nnUNetv2_predict.")
    names = [path.name.removesuffix(f"_0000{ending}") for path in found]
    return {name: channel_files(source, name, ending) for name in names}
