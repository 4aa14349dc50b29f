"""Patches of preprocessed cases, cut out as nnU-Net does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rasd_nnu.nnunet.preprocessed import Preprocessed
from rasd_nnu.pretrain.cases.unlabelled import Unlabelled

#: Share of the patches whose centre lies in a target, as in nnU-Net.
FOREGROUND = 1 / 3

#: What stands for voxels that no loss may count.
IGNORE = -1


class Patches:
    """Draws patches of cases, each of which is read only where it is cut.

    Args:
        data: The preprocessed cases.
        cases: Those to draw from.
        size: Voxels of a patch, 2 or 3 axes.
        final: Voxels of what will be cut out of its middle, which then lies within the image where that is large
            enough; ``size`` by default.
        unlabelled: Further images, each drawn as often as a case is, but for patches around a target.
    """

    def __init__(
        self,
        data: Preprocessed,
        cases: Sequence[str],
        size: Sequence[int],
        final: Sequence[int] | None = None,
        unlabelled: Unlabelled | None = None,
    ) -> None:
        self.unlabelled = unlabelled
        self.data, self.cases, self.flat = data, tuple(cases), len(size) == 2
        self.size, self.final = (tuple([1] * (3 - len(s)) + [*s]) for s in (size, final or size))
        self.places = {case: target_places(data, case) for case in self.cases}
        self.targets = sorted({key for places in self.places.values() for key in places}, key=str)

    def draw(self, numbers: np.random.Generator, foreground: float = FOREGROUND) -> tuple[np.ndarray, np.ndarray]:
        """Cut a patch at random or, with the chance ``foreground``, around a voxel of a random target.

        Returns:
            Image ``(C, *size)`` float32, 0 outside, and label ``(*size)`` int64: 0 outside and `IGNORE` where the data
            set says so; all `IGNORE` where there are no labels.
        """
        if self.targets and numbers.random() < foreground:
            target = self.targets[numbers.integers(len(self.targets))]
            having = [case for case in self.cases if target in self.places[case]]
            case = having[numbers.integers(len(having))]
            image, label, _ = self.data.load(case)
            voxels = self.places[case][target]
            wished = [int(n) for n in voxels[numbers.integers(len(voxels))]]
        else:
            more = 0 if self.unlabelled is None else len(self.unlabelled.names)
            number = int(numbers.integers(len(self.cases) + more))
            if self.unlabelled is not None and number >= len(self.cases):
                image, label = self.unlabelled.load(number - len(self.cases)), None
            else:
                image, label, _ = self.data.load(self.cases[number])
            wished = [
                m // 2 + int(numbers.integers(max(1, n - m + 1)))
                for n, m in zip(image.shape[1:], self.final, strict=True)
            ]
        return self._cut(image, label, wished)

    def _cut(self, image: Any, label: Any | None, wished: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        shape = image.shape[1:]
        centre = [_within(c, n, m) for c, n, m in zip(wished, shape, self.final, strict=True)]
        low = [c - m // 2 for c, m in zip(centre, self.size, strict=True)]
        cut_image = _crop(image, low, self.size).astype(np.float32, copy=False)
        if label is None:
            cut_label = np.full(self.size, IGNORE, np.int64)
        else:
            cut_label = np.maximum(_crop(label, low, self.size)[0].astype(np.int64), 0)
        if label is not None and self.data.labels.has_ignore_label:
            cut_label[cut_label == self.data.labels.ignore_label] = IGNORE
        return (cut_image[:, 0], cut_label[0]) if self.flat else (cut_image, cut_label)


def target_places(data: Preprocessed, case: str) -> dict[Any, np.ndarray]:
    """Return target -> voxels ``(n, 3)``, which nnU-Net sampled; targets that a case does not have are left out.

    A target is a label or, where the data set has regions, a tuple of labels.
    """
    annotated = (-1, *data.labels.all_labels)  # nnU-Net's key for all that is not to be ignored
    found = data.load(case)[2]["class_locations"]
    return {
        key: np.asarray(places)[:, 1:] for key, places in found.items() if key != annotated and len(places) and key != 0
    }


def _within(centre: int, n: int, size: int) -> int:
    """Return the place nearest to ``centre`` at which ``size`` voxels fit into ``n``, or the middle."""
    return n // 2 if n <= size else min(max(centre, size // 2), n - size + size // 2)


def _crop(array: Any, low: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """Read ``(C, *size)`` from ``low`` on; what lies outside is 0."""
    spans = [(max(0, a), min(n, a + m)) for a, m, n in zip(low, size, array.shape[1:], strict=True)]
    out = np.zeros((array.shape[0], *size), array.dtype)
    place = tuple(slice(a - o, b - o) for (a, b), o in zip(spans, low, strict=True))
    out[(slice(None), *place)] = array[(slice(None), *(slice(a, b) for a, b in spans))]
    return out
