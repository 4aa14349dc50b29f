"""`rasd_nnu predict`: a folder of images, with a trained classifier and nothing else."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import torch

from rasd_nnu.errors import DatasetError
from rasd_nnu.files import write_text
from rasd_nnu.tasks.classification.model import Model


def predict_classifier(model: Path, source: Path, out: Path, device: str = "cpu") -> int:
    """Predict all images of a folder with a trained classifier, and write ``out`` as CSV; return their number.

    Args:
        model: Folder with ``model.pth``.
        source: Folder of images named as nnU-Net's, ``<case>_0000.<ending>``.
        out: CSV file: ``case``, one probability an output, and ``positive`` outputs by the thresholds.
        device: Where to compute.
    """
    loaded = Model.load(model)
    ending = loaded.dataset_json["file_ending"]
    found = sorted(source.glob(f"*_0000{ending}"))
    if not found:
        raise DatasetError(f"{source} has no images named <case>_0000{ending}. Name them as for nnUNetv2_predict.")
    files = {
        path.name.removesuffix(f"_0000{ending}"): sorted(
            map(str, source.glob(f"{path.name.removesuffix(f'0000{ending}')}????{ending}"))
        )
        for path in found
    }
    values = loaded.predict(files, torch.device(device))
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    outputs = loaded.questions.outputs
    table.writerow(["case", *(f"prob_{name}" for name in outputs), "positive"])
    for case, row in zip(files, values, strict=True):
        positive = [n for n, p in zip(outputs, row, strict=True) if p >= loaded.thresholds[n]]
        table.writerow([case, *(f"{p:.9g}" for p in row), " ".join(positive)])
    write_text(out, stream.getvalue())
    return len(files)
