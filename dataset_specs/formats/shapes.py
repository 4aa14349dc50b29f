"""What readers of annotation files return: outlines, boxes and points, in pixels of the full image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Box:
    """A rectangle; pixel i covers ``[i, i + 1)``, so that a box around pixel 3 alone is 3 to 4.

    Args:
        name: Class as the file names it; empty where it names none.
        left: Smaller x (column).
        top: Smaller y (row).
        right: Larger x.
        bottom: Larger y.
    """

    name: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def is_degenerate(self) -> bool:
        """Whether it covers nothing."""
        return not (self.right > self.left and self.bottom > self.top)

    def clipped(self, height: int, width: int) -> Self:
        """Return the part that lies in an image of this size; it may cover nothing."""
        return type(self)(
            self.name,
            min(max(self.left, 0.0), float(width)),
            min(max(self.top, 0.0), float(height)),
            min(max(self.right, 0.0), float(width)),
            min(max(self.bottom, 0.0), float(height)),
        )


@dataclass(frozen=True, eq=False)
class Outline:
    """A closed polygon.

    Args:
        name: Class as the file names it; empty where it names none.
        points: Corners ``(N, 2)``: x (column) and y (row) of a pixel's centre, as annotation tools write them.
        frame: Which image of a case it belongs to, where a file covers several; else None.
    """

    name: str
    points: np.ndarray = field(repr=False)
    frame: int | None = None

    def box(self) -> Box:
        """Return the box from the least to the greatest coordinate of the corners; without any, it covers nothing."""
        if not len(self.points):
            return Box(self.name, 0, 0, 0, 0)
        left, top = (float(value) for value in self.points.min(axis=0))
        right, bottom = (float(value) for value in self.points.max(axis=0))
        return Box(self.name, left, top, right, bottom)
