"""Compare two detection arms from their ``detections.json``: IoU of the best boxes first, then average precision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rasd_nnu.compare import provenance
from rasd_nnu.compare.arms import (
    Arm,
    ArmSource,
    is_crossed,
    left_out,
    pool_files,
    read_arms,
    seed_means,
    shared_cases,
    too_few,
    warnings_of,
)
from rasd_nnu.compare.boxes import average_precision, hits, mean_iou, require_monai
from rasd_nnu.compare.collapse import failed_arms, without_collapsed
from rasd_nnu.compare.result import Collapsed, Comparison, PairedRow, PairedStatistics
from rasd_nnu.compare.statistics import Request, ScoreTable, each_label, paired_statistics
from rasd_nnu.compare.verdict import verdict
from rasd_nnu.compare.whole import whole_statistics
from rasd_nnu.errors import CompareError
from rasd_nnu.records import DetectionCase, read_detections

FloatArray = npt.NDArray[np.float64]
Arms = tuple[Arm[DetectionCase], Arm[DetectionCase]]
SCORE = "IoU of the best-scoring boxes"
THRESHOLDS = (0.1, 0.5)


def compare_detections(
    a: ArmSource,
    b: ArmSource,
    *,
    names: tuple[str, str] = ("A", "B"),
    allow_unmatched: bool = False,
    request: Request | None = None,
) -> Comparison:
    """Compare two detection arms; arguments as in `analyse.compare_summaries`, groups are in the files.

    The primary score is `boxes.mean_iou`, a mean over the classes that are present; images without a true box count in
    the average precision.

    Raises:
        CompareError: If a file is malformed, or the arms cannot be paired.
        SetupError: If MONAI is missing.
    """
    require_monai()
    request = request or Request()
    classes: list[str] = []
    arms: Arms = read_arms((a, b), names, lambda paths: pool_files(paths, lambda path: _read(path, classes)))
    cases = shared_cases(arms, _check_truth, allow_unmatched)
    first = next(iter(arms[0].runs.values()))
    groups = [first[case].group for case in cases]
    scores = _overlaps(arms[0], cases, len(classes)), _overlaps(arms[1], cases, len(classes))
    means = _over_classes(scores[0]), _over_classes(scores[1])
    crossed = is_crossed(arms)
    overall = paired_statistics(ScoreTable(SCORE, *means, groups, crossed), request)
    if overall is None:
        counting = [g for g, score in zip(groups, means[0][0], strict=True) if not np.isnan(score)]
        raise too_few(len(cases), len(counting), len(set(counting)), grouped=True)
    tables = {
        c: ScoreTable(SCORE, scores[0][..., i], scores[1][..., i], groups, crossed) for i, c in enumerate(classes)
    }
    collapsed = [found for arm in arms for found in _collapsed(arm)]
    seeds = seed_means(arms, means, groups)
    failed = failed_arms(collapsed, {arm.name: arm.files for arm in arms})
    dropped = left_out(arms[0], cases), left_out(arms[1], cases)
    recipe = provenance.recipe_differences(arms[0].files, arms[1].files)
    return Comparison(
        names=names,
        kind="detection",
        score=SCORE,
        row_score=SCORE,
        nan_rule="images without a true box count in the average precision only",
        grouped=len(set(groups)) < len(cases),
        rows=_rows(cases, groups, classes, scores, means),
        overall=overall,
        labels=each_label(tables, request) if len(classes) > 1 else {},
        others=_precisions(arms, cases, groups, len(classes), request),
        seeds=seeds,
        collapsed=collapsed,
        without_collapsed=without_collapsed(collapsed, seeds),
        n_trainings=len(arms[0].files) + len(arms[1].files),
        unmatched=dropped,
        recipe_differences=recipe,
        warnings=warnings_of(arms, overall, dropped),
        sources={arm.name: [str(path) for path in arm.files] for arm in arms},
        failed=failed,
        verdict=verdict(names, overall, recipe, failed),
    )


def _read(path: Path, classes: list[str]) -> dict[str, DetectionCase]:
    """Read a file; the first one fills ``classes``, the others must have the same."""
    found = read_detections(path)
    if not classes:
        classes.extend(found.classes)
    if list(found.classes) != classes:
        raise CompareError(f"the classes differ: {', '.join(classes)}, but {', '.join(found.classes)} in {path}")
    return {case.case: case for case in found.cases}


def _check_truth(
    a: Mapping[str, DetectionCase], b: Mapping[str, DetectionCase], cases: Iterable[str], names: tuple[str, str]
) -> None:
    for case in cases:
        one, other = ((r.boxes_true, r.labels_true, r.group) for r in (a[case], b[case]))
        if one != other:
            raise CompareError(
                f"the true boxes, their classes or the group of case {case!r} differ in {names[0]} and {names[1]}; "
                "expected one truth, in one coordinate system"
            )


def _overlaps(arm: Arm[DetectionCase], cases: Sequence[str], n_classes: int) -> FloatArray:
    """Return the mean IoU of each run, case and class, shape (seeds, cases, classes); NaN where no true box is."""
    return np.array([[[mean_iou(run[c], k) for k in range(n_classes)] for c in cases] for run in arm.runs.values()])


def _over_classes(scores: FloatArray) -> FloatArray:
    counting = ~np.isnan(scores)
    number = counting.sum(-1)
    return np.where(number > 0, np.where(counting, scores, 0).sum(-1) / np.maximum(number, 1), np.nan)


def _rows(
    cases: Sequence[str],
    groups: Sequence[str],
    classes: Sequence[str],
    scores: tuple[FloatArray, FloatArray],
    means: tuple[FloatArray, FloatArray],
) -> list[PairedRow]:
    of_cases, of_classes = [m.mean(0) for m in means], [s.mean(0) for s in scores]
    return [
        PairedRow(
            case,
            groups[i],
            float(of_cases[0][i]),
            float(of_cases[1][i]),
            *(dict(zip(classes, array[i].tolist(), strict=True)) for array in of_classes),
        )
        for i, case in enumerate(cases)
    ]


def _precisions(
    arms: Arms, cases: Sequence[str], groups: Sequence[str], n_classes: int, request: Request
) -> dict[str, PairedStatistics]:
    """Return the average precision at each threshold, a mean over the classes; none where the seeds differ."""
    if len(arms[0].runs) != len(arms[1].runs) or (len(arms[0].runs) > 1 and not is_crossed(arms)):
        return {}
    runs = [run for arm in arms for run in arm.runs.values()]
    found = {}
    for threshold in THRESHOLDS:
        name = f"AP at IoU {threshold:g}"
        tables = [[_table(run, cases, label, threshold) for label in range(n_classes)] for run in runs]

        def score(weights: FloatArray, tables: list[list[_Table]] = tables) -> FloatArray:
            return np.array([np.mean([_weighted(t, weights) for t in of_run], axis=0) for of_run in tables])

        result = whole_statistics(name, score, len(runs) // 2, groups, request)
        if result:
            found[name] = result
    return found


_Table = tuple[FloatArray, npt.NDArray[np.bool_], npt.NDArray[np.intp], FloatArray]


def _table(run: Mapping[str, DetectionCase], cases: Sequence[str], label: int, threshold: float) -> _Table:
    """Return score, hit and case number of each predicted box of a class, and the number of true boxes a case."""
    parts = [hits(run[case], label, threshold) for case in cases]
    scores = np.array([s for of_case, _ in parts for s in of_case])
    hit = np.array([h for _, of_case in parts for h in of_case], dtype=bool)
    owner = np.repeat(np.arange(len(cases)), [len(of_case) for of_case, _ in parts])
    return scores, hit, owner, np.array([run[case].labels_true.count(label) for case in cases], dtype=float)


def _weighted(table: _Table, weights: FloatArray) -> FloatArray:
    scores, hit, owner, n_true = table
    return average_precision(scores, hit, owner, weights, n_true)


def _collapsed(arm: Arm[DetectionCase]) -> list[Collapsed]:
    """Return the trainings (files) that found no box at all."""
    found = []
    for seed, run in arm.runs.items():
        for path in arm.paths[seed]:
            own = [case for name, case in run.items() if arm.origin[seed][name] == path]
            if not any(case.boxes for case in own):
                found.append(Collapsed(arm.name, seed, str(path), "no box found", complete=True))
    return found
