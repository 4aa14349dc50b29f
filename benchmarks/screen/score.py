"""Dice of patients: the overlap of all images of a patient together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from network import apply, stages
from tasks import Case, Task
from torch import Tensor, nn

#: A class with less than this on average was never found.
COLLAPSED = 0.05
_BATCH = 12


@torch.no_grad()
def predict(network: nn.Module, task: Task, images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return label maps of whole images ``(C, *S)``, padded with 0 to what the network can divide."""
    factor = 2 ** (stages(task) - 1)
    found: dict[int, np.ndarray] = {}
    shapes = [tuple(-(-n // factor) * factor for n in image.shape[1:]) for image in images]
    network.eval()
    for shape in sorted(set(shapes)):
        members = [i for i, own in enumerate(shapes) if own == shape]
        for begin in range(0, len(members), _BATCH):
            part = members[begin : begin + _BATCH]
            batch = torch.stack([_padded(torch.from_numpy(images[i]), shape) for i in part])
            for i, label in zip(part, apply(network, batch)[0].argmax(1).numpy(), strict=True):
                found[i] = label[tuple(slice(n) for n in images[i].shape[1:])]
    network.train()
    return [found[i] for i in range(len(images))]


def _padded(image: Tensor, shape: tuple[int, ...]) -> Tensor:
    pads = [(0, m - n) for n, m in zip(image.shape[1:], shape, strict=True)]
    return F.pad(image, [p for pair in reversed(pads) for p in pair])


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
