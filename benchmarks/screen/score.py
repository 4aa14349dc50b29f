"""Dice of patients: the overlap of all images of a patient together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from network import apply
from tasks import Case, Task
from torch import nn

#: A class with less than this on average was never found.
COLLAPSED = 0.05
_BATCH = 12


@torch.no_grad()
def predict(network: nn.Module, task: Task, images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return label maps of images ``(C, *S)``, predicted in windows of the patch's size as nnU-Net does, not mirrored.

    Whole images at once would be another task than the patches: the normalisation counts what is in the image.
    """
    found: dict[int, np.ndarray] = {}
    network.eval()
    for shape in sorted({image.shape for image in images}):
        members = [i for i, image in enumerate(images) if image.shape == shape]
        for begin in range(0, len(members), _BATCH):
            part = members[begin : begin + _BATCH]
            batch = torch.stack([torch.from_numpy(images[i]) for i in part])
            whole = sliding_window_inference(
                batch, task.patch, _BATCH, lambda x: apply(network, x)[0], overlap=0.5, mode="gaussian"
            )
            for i, label in zip(part, whole.argmax(1).numpy(), strict=True):
                found[i] = label
    network.train()
    return [found[i] for i in range(len(images))]


def dice(task: Task, cases: Sequence[Case], predicted: Sequence[np.ndarray]) -> dict[str, list[float | None]]:
    """Return the Dice of each class of each patient; None where neither has the class."""
    counts: dict[str, np.ndarray] = {}
    for case, label in zip(cases, predicted, strict=True):
        own = counts.setdefault(case.patient, np.zeros((task.classes - 1, 3)))
        for c in range(1, task.classes):
            truth, found = case.label == c, label == c
            own[c - 1] += (truth & found).sum(), truth.sum(), found.sum()
    return {
        patient: [round(2 * both / (a + b), 3) if a + b else None for both, a, b in own.tolist()]
        for patient, own in counts.items()
    }


def by_class(scores: dict[str, list[float | None]]) -> list[float]:
    """Return the mean Dice of each class over the patients that have it."""
    table = np.array([[np.nan if v is None else v for v in row] for row in scores.values()], float)
    return [float(v) for v in np.nanmean(table, axis=0)]


def mean_dice(scores: dict[str, list[float | None]]) -> float:
    """Return the mean over patients of the mean over their classes."""
    rows = [[v for v in row if v is not None] for row in scores.values()]
    return float(np.mean([np.mean(row) for row in rows if row]))
