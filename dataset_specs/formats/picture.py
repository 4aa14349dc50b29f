"""What every reader of images returns: voxels in nnU-Net's axis order, and their place in the patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from rasd_nnu.errors import DatasetError

# A header that went through float32 is off by far less; a sheared scan is off by far more.
SHEAR_TOLERANCE = 1e-3

Triple = tuple[float, float, float]
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Geometry:
    """Where voxels lie, in SimpleITK's conventions: axes x, y, z; world axes left, posterior, superior.

    Args:
        spacing_mm: Distance of neighbouring voxels along x, y, z.
        origin_mm: World position of the centre of voxel (0, 0, 0).
        direction: 3x3 rotation, row by row; its columns are the world directions of the axes.
    """

    spacing_mm: Triple = (1.0, 1.0, 1.0)
    origin_mm: Triple = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = IDENTITY

    @property
    def affine(self) -> np.ndarray:
        """4x4 matrix from a voxel's index (x, y, z) to its world position in mm (left, posterior, superior)."""
        affine = np.eye(4)
        affine[:3, :3] = np.reshape(self.direction, (3, 3)) * np.asarray(self.spacing_mm)
        affine[:3, 3] = self.origin_mm
        return affine

    @classmethod
    def from_affine(cls, affine: np.ndarray, source: Path) -> Self:
        """Take a 4x4 matrix from indices (x, y, z) to mm (left, posterior, superior) apart.

        Args:
            affine: Shape ``(4, 4)``.
            source: File that it comes from, for the message.

        Raises:
            DatasetError: It is not finite, is singular, or has more shear than rounding explains.
        """
        matrix = np.asarray(affine, dtype=float)[:3, :3]
        spacing = np.linalg.norm(matrix, axis=0)
        if not np.isfinite(affine).all() or not (spacing > 0).all():
            raise DatasetError(
                f"{source}: the header gives no usable affine (spacing {spacing}); correct it or take the file out."
            )
        left, _, right = np.linalg.svd(matrix / spacing)
        rotation = left @ right
        shear = float(np.abs(rotation - matrix / spacing).max())
        if shear > SHEAR_TOLERANCE:
            raise DatasetError(
                f"{source}: the axes are not perpendicular (deviation {shear:.2g}, tolerated {SHEAR_TOLERANCE:g}); "
                "nnU-Net's reader cannot hold a sheared grid. Resample the image and its label to a straight one."
            )
        return cls(_triple(spacing), _triple(affine[:3, 3]), tuple(float(value) for value in rotation.ravel()))

    def shifted(self, start_zyx: tuple[int, int, int]) -> Self:
        """Return the geometry of the part that starts at voxel (z, y, x)."""
        origin = self.affine @ np.array([*reversed(start_zyx), 1.0])
        return replace(self, origin_mm=_triple(origin[:3]))


def _triple(values: np.ndarray) -> Triple:
    x, y, z = (float(value) for value in values)
    return x, y, z


@dataclass(frozen=True)
class Picture:
    """An image or a label map.

    Args:
        array: Shape ``(C, Z, Y, X)``, as nnU-Net's readers give it. A 2D picture has one slice, a label map
            one channel, a colour picture the channels red, green, blue, a time series one channel a frame.
        geometry: Place of the voxels.
        source: File or folder that it was read from, for messages.
        spacing_known: False where the format has no trustworthy spacing (PNG and the like); `geometry` then
            has 1 mm as a stand-in.

    Example:
        >>> Picture(np.zeros((3, 1, 4, 5)), Geometry(), Path("a.png"), spacing_known=False).is_2d
        True
    """

    array: np.ndarray
    geometry: Geometry
    source: Path
    spacing_known: bool = True

    def __post_init__(self) -> None:
        if self.array.ndim != 4 or 0 in self.array.shape:
            raise DatasetError(
                f"{self.source}: the picture has shape {self.array.shape}; expected (C, Z, Y, X), none of them 0."
            )

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.array.shape[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along z, y, x."""
        z, y, x = self.array.shape[1:]
        return z, y, x

    @property
    def is_2d(self) -> bool:
        """Whether it has one slice only."""
        return self.shape[0] == 1

    def with_array(self, array: np.ndarray, geometry: Geometry | None = None) -> Picture:
        """Return a picture with other voxels and the same origin."""
        return replace(self, array=array, geometry=geometry or self.geometry)

    def label_map(self) -> np.ndarray:
        """Return the voxels ``(Z, Y, X)`` of a label map.

        Raises:
            DatasetError: It has several channels.
        """
        if self.channels != 1:
            raise DatasetError(
                f"{self.source}: a label map needs one channel, this has {self.channels}. "
                "Pick a channel or map its colours first."
            )
        labels: np.ndarray = self.array[0]
        return labels
