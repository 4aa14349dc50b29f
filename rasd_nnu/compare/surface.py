"""Surface metrics of segmentations, from the predicted and the reference files that a summary names.

Surface Dice (NSD, at a tolerance in mm) and the 95th percentile of the Hausdorff distance (HD95, in mm) come from
MONAI: of the two kept implementations its NSD takes the image's spacing and subvoxel surface areas as
``surface-distance`` does, and the tests hold both against each other.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import multiprocessing
import warnings
from ast import literal_eval
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ValidationError

from rasd_nnu.compare.records import case_name
from rasd_nnu.compare.result import Better, Comparison, PairedStatistics
from rasd_nnu.compare.statistics import Request, ScoreTable, paired_statistics
from rasd_nnu.errors import CompareError, SetupError
from rasd_nnu.files import write_text
from rasd_nnu.reading import read_json

if TYPE_CHECKING:
    import SimpleITK

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
CACHE = "surface_metrics.json"
METRICS: dict[str, Better] = {"nsd": "higher", "hd95": "lower"}
_VERSION = 1


def parse_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """Return the surface metrics among ``dice``, ``nsd`` and ``hd95``.

    Raises:
        CompareError: If a name is unknown.
        SetupError: If a surface metric is asked for and MONAI is missing.
    """
    for name in names:
        if name != "dice" and name not in METRICS:
            raise CompareError(f"metric {name!r} is unknown; expected some of dice, {', '.join(METRICS)}")
    asked = tuple(dict.fromkeys(name for name in names if name != "dice"))
    if asked and importlib.util.find_spec("monai") is None:
        raise SetupError("surface metrics need monai. Fix it with: pip install 'rasd-nnu[monai]'")
    return asked


@dataclass(frozen=True)
class Pair:
    """One case of a summary.

    Args:
        case: Its name.
        prediction: Predicted segmentation.
        reference: Reference segmentation.
        labels: Labels or regions, as the summary names them.
    """

    case: str
    prediction: str
    reference: str
    labels: tuple[str, ...]


def add_surface_metrics(
    comparison: Comparison, metrics: Sequence[str], tolerance_mm: float, workers: int, request: Request
) -> Comparison:
    """Return a segmentation comparison with surface metrics among its further scores.

    A label that the reference lacks is left out, whatever the NaN rule of the Dice, as no distance exists there.
    Where only the prediction lacks it, NSD is 0 and HD95 the diagonal of the image, the worst possible value, as
    Metrics Reloaded (Maier-Hein et al. 2024) recommends.

    Raises:
        CompareError: If a file is missing, or does not lie on the grid of its reference.
    """
    if comparison.kind != "segmentation":
        raise CompareError(f"surface metrics are of segmentations, and these are records of a {comparison.kind}")
    if len(comparison.seeds) > comparison.overall.n_seeds:
        raise CompareError("surface metrics need the same seeds in both arms; leave --metrics out, or train the others")
    if not tolerance_mm > 0:
        raise CompareError(f"--tolerance is {tolerance_mm}, expected a distance in mm above 0")
    cases = {row.case: i for i, row in enumerate(comparison.rows)}
    groups = [row.group for row in comparison.rows if row.group is not None]
    arms = [_values(comparison, name, cases, tolerance_mm, workers) for name in comparison.names]
    found: dict[str, PairedStatistics] = {}
    for metric in metrics:
        a, b = (_over_labels(values[metric]) for values in arms)
        title = f"NSD at {tolerance_mm:g} mm" if metric == "nsd" else "HD95 in mm"
        table = ScoreTable(title, a, b, groups or None, comparison.overall.n_seeds > 1, METRICS[metric])
        statistics = paired_statistics(table, request)
        if statistics:
            found[title] = statistics
    return replace(comparison, others={**comparison.others, **found})


def _values(
    comparison: Comparison, name: str, cases: Mapping[str, int], tolerance_mm: float, workers: int
) -> dict[str, FloatArray]:
    """Return metric -> value of each run, case and label, shape (runs, cases, labels)."""
    n_runs = max(comparison.overall.n_seeds, 1)
    paths = [Path(path) for path in comparison.sources[name]]
    per_run = len(paths) // n_runs
    runs = []
    for start in range(0, len(paths), per_run):
        of_run: dict[str, dict[str, dict[str, float]]] = {}
        for path in paths[start : start + per_run]:
            of_run |= surface_metrics(path, tolerance_mm, workers)
        runs.append(of_run)
    labels = list(comparison.rows[0].labels_a)
    return {
        metric: np.array([[[run[c][label][metric] for label in labels] for c in cases] for run in runs])
        for metric in METRICS
    }


def _over_labels(values: FloatArray) -> FloatArray:
    """Return the mean over the labels that are in the reference; NaN where none is."""
    counting = ~np.isnan(values)
    number = counting.sum(-1)
    return np.where(number > 0, np.where(counting, values, 0.0).sum(-1) / np.maximum(number, 1), np.nan)


def surface_metrics(summary: Path, tolerance_mm: float, workers: int = 1) -> dict[str, dict[str, dict[str, float]]]:
    """Return case -> label -> metric -> value of one summary; computed once, then read from `CACHE` beside it.

    A label that the reference lacks is NaN.

    Args:
        summary: ``summary.json`` of nnU-Net.
        tolerance_mm: Tolerance of NSD.
        workers: Processes.

    Raises:
        CompareError: If a segmentation is missing, cannot be read or does not lie on the grid of its reference.
    """
    pairs = predicted_pairs(summary)
    key = _fingerprint(pairs, tolerance_mm)
    cache = summary.parent / CACHE
    kept = _cached(cache, key)
    if kept is not None:
        return kept
    if workers > 1 and len(pairs) > 1:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            results = list(pool.map(_measure, pairs, [tolerance_mm] * len(pairs)))
    else:
        results = [_measure(pair, tolerance_mm) for pair in pairs]
    found = {pair.case: result for pair, result in zip(pairs, results, strict=True)}
    plain = json.dumps({"version": _VERSION, "key": key, "tolerance_mm": tolerance_mm, "cases": found})
    write_text(cache, plain)
    return found


def predicted_pairs(summary: Path) -> list[Pair]:
    """Return the files of each case of a summary; a prediction that was moved is looked for beside the summary.

    Raises:
        CompareError: If a file does not exist.
    """
    entries = read_json(summary, CompareError)["metric_per_case"]
    pairs = []
    for entry in entries:
        reference = Path(entry["reference_file"])
        prediction = Path(entry.get("prediction_file", reference.name))
        beside = summary.parent / prediction.name  # where the folder has been moved since
        prediction = prediction if prediction.is_file() else beside
        for file, what in ((prediction, "prediction"), (reference, "reference")):
            if not file.is_file():
                raise CompareError(
                    f"the {what} of case {case_name(str(reference))!r} is needed, but {file}, which {summary} names, "
                    "does not exist. Predict again, or compare without --metrics."
                )
        labels = tuple(label for label in entry["metrics"] if label != "0")
        pairs.append(Pair(case_name(str(reference)), str(prediction), str(reference), labels))
    return pairs


class _Cache(BaseModel):
    """What was measured: a digest of the files, and case -> label -> metric -> value."""

    key: str
    cases: dict[str, dict[str, dict[str, float]]]


def _fingerprint(pairs: Sequence[Pair], tolerance_mm: float) -> str:
    """Return a digest of names, sizes and times of all files, so that a new prediction is measured again."""
    digest = hashlib.sha256(f"{_VERSION} {tolerance_mm:g}".encode())
    for pair in pairs:
        for path in (Path(pair.prediction), Path(pair.reference)):
            stat = path.stat()
            digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns} {pair.labels}".encode())
    return digest.hexdigest()


def _cached(path: Path, key: str) -> dict[str, dict[str, dict[str, float]]] | None:
    if not path.is_file():
        return None
    try:
        content = _Cache.model_validate(read_json(path, CompareError))
    except (CompareError, ValidationError):
        return None  # a damaged cache is made again
    return content.cases if content.key == key else None


def _measure(pair: Pair, tolerance_mm: float) -> dict[str, dict[str, float]]:
    """Return label -> metric -> value of one case."""
    import SimpleITK as sitk  # noqa: N813

    try:
        images = [sitk.ReadImage(path) for path in (pair.prediction, pair.reference)]
    except RuntimeError as error:
        reason = " ".join(str(error).split())[-120:]
        raise CompareError(f"cannot read the segmentations of case {pair.case!r}: {reason}") from None
    prediction, reference = (sitk.GetArrayFromImage(image) for image in images)
    if prediction.shape != reference.shape:
        raise CompareError(
            f"{pair.prediction} has the shape {prediction.shape}, but its reference {reference.shape}; expected one "
            f"grid"
        )
    spacing = _spacing(images[1], reference.ndim)
    return {
        label: of_label(_mask(prediction, label), _mask(reference, label), spacing, tolerance_mm)
        for label in pair.labels
    }


def _spacing(image: SimpleITK.Image, ndim: int) -> tuple[float, ...]:
    """Return the spacing in mm along the axes of the array, which are those of the image in reverse."""
    return tuple(reversed(image.GetSpacing()))[:ndim]


def _mask(array: npt.NDArray[Any], label: str) -> BoolArray:
    """Return where a label or a region, written as ``(1, 2)``, is."""
    values = literal_eval(label)
    return np.isin(array, values if isinstance(values, tuple) else (values,))


def of_label(
    prediction: BoolArray, reference: BoolArray, spacing: Sequence[float], tolerance_mm: float
) -> dict[str, float]:
    """Return NSD and HD95 of one mask.

    Args:
        prediction: Shape (*S), two or three axes.
        reference: The same.
        spacing: Size of a voxel along each axis, mm.
        tolerance_mm: Tolerance of NSD.

    Returns:
        NaN where the reference is empty; the worst value where only the prediction is.
    """
    if not reference.any():
        return {"nsd": math.nan, "hd95": math.nan}
    if not prediction.any():
        diagonal = math.sqrt(sum((n * s) ** 2 for n, s in zip(reference.shape, spacing, strict=True)))
        return {"nsd": 0.0, "hd95": diagonal}
    import torch
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance
    from monai.metrics.surface_dice import compute_surface_dice

    if reference.shape[0] == 1:  # one slice, as nnU-Net's 2D images are read
        prediction, reference, spacing = prediction[0], reference[0], spacing[1:]
    both = (prediction | reference).nonzero()
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in both)  # surfaces do not depend on what is outside
    y_pred, y = (torch.from_numpy(np.pad(mask[box], 1))[None, None].float() for mask in (prediction, reference))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "monai.metrics.utils get_mask_edges", FutureWarning)  # MONAI's own call
        nsd = compute_surface_dice(
            y_pred, y, [tolerance_mm], include_background=True, spacing=list(spacing), use_subvoxels=True
        )
        hd95 = compute_hausdorff_distance(y_pred, y, include_background=True, percentile=95, spacing=list(spacing))
    return {"nsd": float(nsd), "hd95": float(hd95)}
