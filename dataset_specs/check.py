"""Check every case of a source before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.source import SourceCase
from rasd_nnu.dataset_specs.voxels import read_nifti, unknown_values
from rasd_nnu.errors import DatasetError

SHOWN = 5
# Larger than the rounding of headers that went through float32 quaternions, smaller than what shifts a label.
TOLERANCE_VOX = 0.1
TOLERANCE_SPACING = 1e-3

Track = Callable[[Sequence[SourceCase], str], Iterable[SourceCase]]


def untracked(cases: Sequence[SourceCase], description: str) -> Iterable[SourceCase]:
    """Go through the cases without showing progress; `description` says what is being done."""
    return cases


def check_cases(spec: DatasetSpec, cases: Sequence[SourceCase], track: Track = untracked) -> None:
    """Check files, grids, voxel values and labels of all cases.

    Args:
        spec: Gives the channels, labels and group rule that the cases must fit.
        cases: Cases of the source.
        track: Wraps the loop, to show progress.

    Raises:
        DatasetError: One or more cases are unusable; names up to five of them and their total.
    """
    problems = []
    for case in track(cases, "check"):
        problem = find_problem(spec, case)
        if problem:
            problems.append(f"{case.case}: {problem}")
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise DatasetError(
            f"{len(problems)} of {len(cases)} cases of {spec.key} are unusable: {'; '.join(problems[:SHOWN])}"
            f"{more}. Mend these files or take the cases out of the list; nothing was written."
        )


def find_problem(spec: DatasetSpec, case: SourceCase) -> str | None:
    """Return what makes one case unusable in a few words, or None."""
    for role, file in (("image", case.image), ("label", case.label)):
        if not file.is_file():
            return f"{role} {file.parent.name}/{file.name} is missing"
    try:
        spec.group.group_of(case.case)
        image, image_voxels = read_nifti(case.image)
        label, label_voxels = read_nifti(case.label)
    except DatasetError as error:
        return str(error)
    return (
        _channel_problem(spec, image_voxels)
        or _grid_problem(image, label)
        or _finite_problem("image", image_voxels)
        or _finite_problem("label", label_voxels)
        or _label_problem(spec, label_voxels)
    )


def _channel_problem(spec: DatasetSpec, voxels: np.ndarray) -> str | None:
    if voxels.ndim not in (3, 4):
        return f"image has {voxels.ndim} axes, expected 3 (or 4 with the channels last)"
    channels = voxels.shape[3] if voxels.ndim == 4 else 1
    if channels != len(spec.channels):
        return f"image has {channels} channel(s), expected {len(spec.channels)}: {', '.join(spec.channels)}"
    return None


def _grid_problem(image: Any, label: Any) -> str | None:  # nibabel has no types
    if image.shape[:3] != label.shape:
        return f"image has shape {tuple(image.shape[:3])} but label {tuple(label.shape)}"
    spacing, other = (np.asarray(file.header.get_zooms()[:3], dtype=float) for file in (image, label))
    if not np.allclose(spacing, other, rtol=TOLERANCE_SPACING, atol=0):
        return f"image has spacing {_mm(spacing)} mm but label {_mm(other)} mm"
    apart = _corner_distance_mm(image.affine, label.affine, image.shape[:3])
    if not apart <= TOLERANCE_VOX * spacing.min():  # also refuses NaN
        return f"image and label have different affines, corners are up to {apart:.3g} mm apart"
    return None


def _corner_distance_mm(a: np.ndarray, b: np.ndarray, shape: tuple[int, ...]) -> float:
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij")).reshape(3, -1)
    homogeneous = np.vstack([corners, np.ones(corners.shape[1])])
    return float(np.linalg.norm(((a - b) @ homogeneous)[:3], axis=0).max())


def _mm(spacing: np.ndarray) -> str:
    return "x".join(f"{value:.4g}" for value in spacing)


def _finite_problem(role: str, voxels: np.ndarray) -> str | None:
    if np.issubdtype(voxels.dtype, np.floating):
        count = int(voxels.size - np.isfinite(voxels).sum())
        if count:
            return f"{role} has {count} NaN or infinite voxel(s)"
    return None


def _label_problem(spec: DatasetSpec, voxels: np.ndarray) -> str | None:
    if spec.label_mapping and spec.label_mapping.values is not None:
        allowed = frozenset(spec.label_mapping.values)
    elif spec.label_mapping:
        return None  # a threshold takes every value
    else:
        allowed = spec.label_values
    unknown = unknown_values(voxels, allowed)
    if unknown:
        listed = ", ".join(f"{value:g}" for value in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        return f"label has the value(s) {listed} outside the spec's {sorted(allowed)}"
    return None
