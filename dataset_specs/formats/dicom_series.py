"""A DICOM series: one file a slice, put in order by position."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rasd_nnu.dataset_specs.formats.dicom import frame_of, read_header
from rasd_nnu.dataset_specs.formats.guard import MAX_BYTES, check_claim
from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.errors import DatasetError

# Files that operating systems and DICOM viewers leave in folders; none of them is a slice.
NOT_SLICES = ("DICOMDIR", "Thumbs.db")
# How much the distance of two neighbouring slices may differ from the median distance, as a share of it.
GAP_TOLERANCE = 0.05
# By how many pixels slices may be shifted against the normal of the plane, over the whole series.
SHIFT_TOLERANCE_PX = 0.5
ORIENTATION_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Slice:
    """One file of a series and where it lies.

    Args:
        path: File.
        uid: SeriesInstanceUID.
        shape: Rows and columns.
        spacing: mm between rows and between columns.
        position: World position of the first pixel.
        orientation: World directions of x (along a row) and y, shape ``(2, 3)``.
        thickness: Slice thickness in mm, or None.
    """

    path: Path
    uid: str
    shape: tuple[int, int]
    spacing: tuple[float, float]
    position: np.ndarray
    orientation: np.ndarray
    thickness: float | None

    @property
    def normal(self) -> np.ndarray:
        """World direction in which slices follow one another."""
        return np.cross(self.orientation[0], self.orientation[1])


def read(path: Path, *, series_uid: str | None = None, max_bytes: int = MAX_BYTES) -> Picture:
    """Read all slices of a folder as one volume.

    Args:
        path: Folder; its hidden files and ``DICOMDIR`` are left out, and every other file must be a slice.
        series_uid: Which series to take, where the folder is known to hold several.
        max_bytes: Largest volume that is read.

    Raises:
        DatasetError: Slices are missing, doubled, of several series, of different sizes, or shifted (gantry tilt).
        SetupError: pydicom, or the decoder of the file's compression, is not installed.
    """
    slices = [_slice_of(file) for file in _files(path)]
    slices = _one_series(path, slices, series_uid)
    _refuse_differences(slices)
    normal = slices[0].normal
    slices.sort(key=lambda entry: float(entry.position @ normal))
    step = _step_mm(path, slices)
    rows, columns = slices[0].shape
    check_claim(path, (len(slices), rows, columns), 4, max_bytes=max_bytes)
    frames = [frame_of(entry.path, read_header(entry.path, with_pixels=True)) for entry in slices]
    colourful = next((entry.path for entry, frame in zip(slices, frames, strict=True) if frame.ndim != 2), None)
    if colourful:
        raise DatasetError(f"{colourful} has colours; expected grey slices. Take it out, or read it on its own.")
    return Picture(np.stack(frames)[None], _geometry(slices[0], step), path, spacing_known=step is not None)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        raise DatasetError(f"{path} is no folder; a DICOM series is a folder of slices. Check the source folder.")
    files = sorted(f for f in path.iterdir() if f.is_file() and not f.name.startswith(".") and f.name not in NOT_SLICES)
    if not files:
        raise DatasetError(f"{path} holds no file; expected the slices of a DICOM series. Unpack the release again.")
    return files


def _slice_of(file: Path) -> Slice:
    data = read_header(file)
    numbers: dict[str, np.ndarray] = {}
    for name, count in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2)):
        values = np.array([float(value) for value in data.get(name) or ()])
        if len(values) != count or not np.isfinite(values).all():
            raise DatasetError(
                f"{file} has no usable {name}, so its place in the volume is unknown. Take it out if it is no slice "
                "(a localiser or a report), else get the series again."
            )
        numbers[name] = values
    if not (numbers["PixelSpacing"] > 0).all():
        raise DatasetError(f"{file} has the PixelSpacing {numbers['PixelSpacing']}; expected positive numbers.")
    return Slice(
        path=file,
        uid=str(data.get("SeriesInstanceUID", "")),
        shape=(int(data.Rows), int(data.Columns)),
        spacing=(float(numbers["PixelSpacing"][0]), float(numbers["PixelSpacing"][1])),
        position=numbers["ImagePositionPatient"],
        orientation=numbers["ImageOrientationPatient"].reshape(2, 3),
        thickness=_positive(data.get("SpacingBetweenSlices")) or _positive(data.get("SliceThickness")),
    )


def _positive(value: Any) -> float | None:
    return float(value) if value not in (None, "") and float(value) > 0 else None


def _one_series(path: Path, slices: list[Slice], series_uid: str | None) -> list[Slice]:
    counts = Counter(entry.uid for entry in slices)
    if series_uid is not None:
        if series_uid not in counts:
            raise DatasetError(f"{path} holds no series {series_uid}; it holds {', '.join(sorted(counts))}.")
        return [entry for entry in slices if entry.uid == series_uid]
    if len(counts) > 1:
        held = ", ".join(f"{uid} ({count} files)" for uid, count in sorted(counts.items()))
        raise DatasetError(
            f"{path} mixes {len(counts)} series: {held}. Move the one that is meant to a folder of its own, or name "
            "it with series_uid."
        )
    return slices


def _refuse_differences(slices: list[Slice]) -> None:
    """Refuse slices that differ from the first in size, pixel spacing or orientation."""
    first = slices[0]
    for entry in slices[1:]:
        if entry.shape != first.shape:
            found, expected = f"{entry.shape[0]}x{entry.shape[1]} pixels", f"{first.shape[0]}x{first.shape[1]}"
        elif not np.allclose(entry.spacing, first.spacing, rtol=ORIENTATION_TOLERANCE):
            found, expected = f"the pixel spacing {entry.spacing}", str(first.spacing)
        elif np.abs(entry.orientation - first.orientation).max() > ORIENTATION_TOLERANCE:
            found, expected = f"the orientation {entry.orientation.ravel()}", str(first.orientation.ravel())
        else:
            continue
        raise DatasetError(
            f"{entry.path} has {found}, but {first.path.name} {expected}; one series has one grid. "
            "Take out what does not belong to it (a localiser), or get the series again."
        )


def _step_mm(path: Path, slices: list[Slice]) -> float | None:
    """Return the distance of the slices; None for a single one that does not tell its thickness.

    Raises:
        DatasetError: A slice is missing or doubled, or the slices are shifted against one another.
    """
    if len(slices) == 1:
        return slices[0].thickness
    along = np.array([float(entry.position @ slices[0].normal) for entry in slices])
    steps = np.diff(along)
    usual = float(np.median(steps))
    for index, step in enumerate(steps):
        names = f"{slices[index].path.name} and {slices[index + 1].path.name}"
        if step <= GAP_TOLERANCE * usual or usual <= 0:
            raise DatasetError(
                f"{path}: {names} lie at the same place; expected one slice a position. Take out the copies, or "
                "separate the phases or echoes into folders."
            )
        if abs(step - usual) > GAP_TOLERANCE * usual:
            raise DatasetError(
                f"{path}: {names} are {step:.4g} mm apart, the others {usual:.4g} mm; a slice is missing or the "
                "spacing is uneven. Get the whole series again, or resample it to even slices."
            )
    _refuse_tilt(path, slices, along)
    return float(along[-1] - along[0]) / (len(slices) - 1)


def _refuse_tilt(path: Path, slices: list[Slice], along: np.ndarray) -> None:
    first, last = slices[0], slices[-1]
    shift = last.position - first.position - (along[-1] - along[0]) * first.normal
    pixels = float(np.linalg.norm(shift)) / min(first.spacing)
    if pixels > SHIFT_TOLERANCE_PX:
        raise DatasetError(
            f"{path}: from {first.path.name} to {last.path.name} the slices shift by {pixels:.3g} pixels (gantry "
            f"tilt), tolerated are {SHIFT_TOLERANCE_PX:g}. Resample the series to a straight grid, for example with "
            "dcm2niix."
        )


def _geometry(first: Slice, step: float | None) -> Geometry:
    affine = np.eye(4)
    affine[:3, 0] = first.orientation[0] * first.spacing[1]
    affine[:3, 1] = first.orientation[1] * first.spacing[0]
    affine[:3, 2] = first.normal * (step or 1.0)
    affine[:3, 3] = first.position
    return Geometry.from_affine(affine, first.path)
