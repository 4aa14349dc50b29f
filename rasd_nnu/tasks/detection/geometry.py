"""Boxes in the original image and in the network's input: nnU-Net's transposition, cropping and resampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rasd_nnu.errors import PlansError
from rasd_nnu.records.detection import Box


@dataclass(frozen=True)
class Geometry:
    """How voxels of an original image and of its preprocessed form correspond.

    Both sides are continuous coordinates in which voxel i covers the interval from i to i + 1, so that a resampling
    is a factor with no shift.

    Args:
        transpose: nnU-Net's order of the axes (z, y, x).
        low: First voxel of the cropped region along the transposed axes.
        factor: Preprocessed voxels an original one, along the transposed axes.
        dims: 2 or 3 axes of the boxes.
    """

    transpose: tuple[int, ...]
    low: tuple[float, ...]
    factor: tuple[float, ...]
    dims: int

    @classmethod
    def of(cls, shape: Sequence[int], properties: Mapping[str, Any], plans: Mapping[str, Any], dims: int) -> Geometry:
        """Return the geometry of a preprocessed case.

        Args:
            shape: Spatial shape of the preprocessed image, three axes.
            properties: nnU-Net's properties of the case.
            plans: nnU-Net's plans.
            dims: Axes of the plan's patch.

        Raises:
            PlansError: If the images are volumes and the plan cuts them into slices, or a reader turns them around.
        """
        if plans["image_reader_writer"] == "NibabelIOWithReorient":
            raise PlansError(
                "NibabelIOWithReorient turns images around, and boxes would not follow. Plan with another reader "
                '("overwrite_image_reader_writer": "SimpleITKIO" in dataset.json).'
            )
        if dims == 2 and (shape[0] != 1 or plans["transpose_forward"][0] != 0):
            raise PlansError("the plan cuts volumes into slices, but boxes are those of volumes. Choose a 3D one.")
        low = [float(bound[0]) for bound in properties["bbox_used_for_cropping"]]
        cropped = properties["shape_after_cropping_and_before_resampling"]
        factor = [float(new) / float(old) for new, old in zip(shape, cropped, strict=True)]
        return cls(tuple(plans["transpose_forward"]), tuple(low), tuple(factor), dims)

    def to_network(self, boxes: Sequence[Box]) -> Tensor:
        """Return float32 boxes ``(n, 2 * dims)`` in the axis order of the network's input."""
        corners = self._full(np.array(boxes, float).reshape(-1, 2, self.dims)[:, :, ::-1])
        corners = (corners[..., list(self.transpose)] - self.low) * self.factor
        return torch.from_numpy(corners[..., -self.dims :].reshape(-1, 2 * self.dims).astype(np.float32))

    def to_original(self, boxes: Tensor) -> list[Box]:
        """Return boxes of the network's input in the coordinates of the original image, x first."""
        corners = self._full(boxes.double().cpu().numpy().reshape(-1, 2, self.dims))
        corners = (corners / self.factor + self.low)[..., np.argsort(self.transpose)]
        return [tuple(map(float, row)) for row in corners[..., -self.dims :][..., ::-1].reshape(-1, 2 * self.dims)]  # type: ignore[misc]

    def _full(self, corners: np.ndarray) -> np.ndarray:
        """Add the slice axis in front of 2D corners ``(n, 2, dims)``."""
        return np.pad(corners, ((0, 0), (0, 0), (3 - self.dims, 0)))
