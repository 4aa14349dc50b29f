"""A part of a large image, and what shapes of the whole image become in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rasd_nnu.dataset_specs.formats.shapes import Box, Outline


@dataclass(frozen=True)
class Window:
    """A rectangle in pixels of the level that is read.

    Args:
        top: First row.
        left: First column.
        height: Rows.
        width: Columns.
        scale: Pixels of full resolution along an edge of a pixel of the level.
    """

    top: int
    left: int
    height: int
    width: int
    scale: float = 1.0

    def outlines(self, outlines: Sequence[Outline], extents: np.ndarray) -> list[Outline]:
        """Return the outlines whose extent reaches into the window, in its pixels; nothing is cut off.

        Args:
            outlines: In pixels of full resolution, at whose centres coordinates are whole.
            extents: `extents_of` these outlines.
        """
        corner = np.array([self.left, self.top])
        return [
            Outline(outlines[at].name, (outlines[at].points + 0.5) / self.scale - 0.5 - corner, outlines[at].frame)
            for at in self._reached(extents)
        ]

    def boxes(self, boxes: Sequence[Box], extents: np.ndarray) -> list[Box]:
        """Return the parts of boxes inside the window, in its pixels.

        Args:
            boxes: In pixels of full resolution.
            extents: `extents_of` these boxes.
        """
        moved = (self._moved(boxes[at]) for at in self._reached(extents))
        return [part for box in moved if not (part := box.clipped(self.height, self.width)).is_degenerate]

    def _moved(self, box: Box) -> Box:
        left, right = (edge / self.scale - self.left for edge in (box.left, box.right))
        top, bottom = (edge / self.scale - self.top for edge in (box.top, box.bottom))
        return Box(box.name, left, top, right, bottom)

    def _reached(self, extents: np.ndarray) -> list[int]:
        left, top, right, bottom = extents.T / self.scale
        inside_x = (right > self.left - 0.5) & (left < self.left + self.width)
        inside_y = (bottom > self.top - 0.5) & (top < self.top + self.height)
        return [int(at) for at in np.flatnonzero(inside_x & inside_y)]


def extents_of(shapes: Sequence[Outline] | Sequence[Box]) -> np.ndarray:
    """Return the left, top, right and bottom edges of shapes, ``(N, 4)``, so that many windows can ask for theirs."""
    boxes = [shape.box() if isinstance(shape, Outline) else shape for shape in shapes]
    return np.array([[box.left, box.top, box.right, box.bottom] for box in boxes], dtype=float).reshape(-1, 4)
