"""Compare two classification arms from their ``predictions.csv``: AUC first, then accuracy and average precision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    shared_cases,
    too_few,
    warnings_of,
)
from rasd_nnu.compare.collapse import failed_arms, without_collapsed
from rasd_nnu.compare.result import Collapsed, Comparison, PairedRow, PairedStatistics, SeedMean
from rasd_nnu.compare.statistics import Request, ScoreTable, paired_statistics
from rasd_nnu.compare.verdict import verdict
from rasd_nnu.compare.whole import auc_statistics, whole_statistics
from rasd_nnu.errors import CompareError
from rasd_nnu.records import ClassificationCase, read_predictions
from rasd_nnu.stats import holm, mcnemar
from rasd_nnu.stats.auc import weighted_auc, weighted_average_precision

FloatArray = npt.NDArray[np.float64]
Arms = tuple[Arm[ClassificationCase], Arm[ClassificationCase]]
ROW_SCORE = "probability of the truth"
COLLAPSED_RANGE = 1e-6  # a training whose probabilities of all cases lie closer together tells none from another


@dataclass(frozen=True)
class _Data:
    """Truth and probabilities of the shared cases.

    Args:
        targets: Names of the classes or findings that an AUC is of.
        truth: 1, 0 or NaN (not known), shape (targets, cases).
        scores: Probabilities, shape (2, seeds, targets, cases).
        groups: Patient of each case.
        multilabel: True for findings.
    """

    targets: list[str]
    truth: FloatArray
    scores: FloatArray
    groups: list[str]
    multilabel: bool


def compare_predictions(
    a: ArmSource,
    b: ArmSource,
    *,
    names: tuple[str, str] = ("A", "B"),
    allow_unmatched: bool = False,
    request: Request | None = None,
) -> Comparison:
    """Compare two classification arms; arguments as in `analyse.compare_summaries`, groups are in the files.

    The primary score is the AUC: of the last class where there are two, else the mean over the classes, each against
    the rest, or over the findings.

    Raises:
        CompareError: If a file is malformed, the arms cannot be paired, or have different seeds.
    """
    request = request or Request()
    multilabel: set[bool] = set()
    arms: Arms = read_arms((a, b), names, lambda paths: pool_files(paths, lambda path: _read(path, multilabel)))
    if len(arms[0].runs) != len(arms[1].runs) or (len(arms[0].runs) > 1 and not is_crossed(arms)):
        raise CompareError(f"{names[0]} and {names[1]} have different seeds; the AUC needs the same ones in both arms")
    cases = shared_cases(arms, _check_truth, allow_unmatched)
    data = _data(arms, cases, multilabel)
    if len(set(data.groups)) < 2:
        raise too_few(len(cases), len(cases), len(set(data.groups)), grouped=True)
    labels, overall = _areas(data, request)
    collapsed = [found for arm in arms for found in _collapsed(arm)]
    seeds = _seeds(arms, data)
    failed = failed_arms(collapsed, {arm.name: arm.files for arm in arms})
    dropped = left_out(arms[0], cases), left_out(arms[1], cases)
    recipe = provenance.recipe_differences(arms[0].files, arms[1].files)
    return Comparison(
        names=names,
        kind="classification",
        score=overall.score,
        row_score=ROW_SCORE,
        nan_rule="unknown findings do not count",
        grouped=len(set(data.groups)) < len(cases),
        rows=_rows(cases, data),
        overall=overall,
        labels=labels,
        others=_others(data, request),
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


def _read(path: Path, multilabel: set[bool]) -> dict[str, ClassificationCase]:
    """Read a file; whether it is of findings is added to ``multilabel``."""
    found = read_predictions(path)
    multilabel.add(found.multilabel)
    return {case.case: case for case in found.cases}


def _check_truth(
    a: Mapping[str, ClassificationCase],
    b: Mapping[str, ClassificationCase],
    cases: Iterable[str],
    names: tuple[str, str],
) -> None:
    for case in cases:
        one, other = a[case], b[case]
        if one.labels.keys() != other.labels.keys():
            raise CompareError(
                f"the classes differ: {', '.join(one.labels)} in {names[0]}, but {', '.join(other.labels)} in "
                f"{names[1]}; expected the same data set."
            )
        if one.labels != other.labels or one.group != other.group:
            what = "label" if one.labels != other.labels else "group"
            raise CompareError(
                f"the {what} of case {case!r} differs between {names[0]} and {names[1]}; expected one truth"
            )


def _data(arms: Arms, cases: Sequence[str], kinds: set[bool]) -> _Data:
    if len(kinds) > 1:
        raise CompareError("some files have a column label and some label_<name>; expected files of one kind")
    first = next(iter(arms[0].runs.values()))
    classes, multilabel = list(first[cases[0]].labels), True in kinds
    targets = classes if multilabel or len(classes) > 2 else classes[-1:]
    truth = [[first[c].labels[t] for c in cases] for t in targets]
    scores = [
        [[[run[c].probabilities[t] for c in cases] for t in targets] for run in arm.runs.values()] for arm in arms
    ]
    groups = [first[c].group for c in cases]
    return _Data(targets, np.array(truth, dtype=float), np.array(scores), groups, multilabel)


def _areas(data: _Data, request: Request) -> tuple[dict[str, PairedStatistics], PairedStatistics]:
    """Return the AUC of each target where there are several, and the primary AUC."""
    labels = {}
    for i, target in enumerate(data.targets):
        known = ~np.isnan(data.truth[i])
        groups = [g for g, k in zip(data.groups, known, strict=True) if k]
        try:
            labels[target] = auc_statistics(data.truth[i, known], data.scores[:, :, i, known], groups, request)
        except CompareError as error:
            raise CompareError(f"{target}: {error}") from None
    if len(data.targets) == 1:
        return {}, next(iter(labels.values()))
    adjusted = holm([found.p for found in labels.values()])
    labels = {t: replace(found, p_holm=float(p)) for (t, found), p in zip(labels.items(), adjusted, strict=True)}
    overall = _macro("mean AUC", data, weighted_auc, request)
    if overall is None:
        raise CompareError(
            "the mean AUC cannot be compared: in most resamples a class has no case. Leave the rarest class out, or "
            "validate on more patients of each class."
        )
    return labels, overall


def _macro(name: str, data: _Data, metric: object, request: Request) -> PairedStatistics | None:
    """Compare the mean over the targets of a weighted score."""
    scores = data.scores.reshape(-1, *data.scores.shape[2:])  # (2 * seeds, targets, cases)

    def score(weights: FloatArray) -> FloatArray:
        total = np.zeros((scores.shape[0], weights.shape[0]))
        for i in range(len(data.targets)):
            known = ~np.isnan(data.truth[i])
            positive, of_cases = data.truth[i, known] == 1, weights[:, known]
            both = (of_cases[:, positive].sum(1) > 0) & (of_cases[:, ~positive].sum(1) > 0)
            for run in range(scores.shape[0]):
                total[run, both] += metric(positive, scores[run, i, known], of_cases[both])  # type: ignore[operator]
            total[:, ~both] = np.nan
        return total / len(data.targets)

    return whole_statistics(name, score, data.scores.shape[1], data.groups, request)


def _others(data: _Data, request: Request) -> dict[str, PairedStatistics]:
    """Return accuracy (at 0.5 for findings) and average precision."""
    right = _right(data)
    n_seeds = data.scores.shape[1]
    table = ScoreTable("accuracy", right[0], right[1], data.groups, n_seeds > 1)
    found = {}
    accuracy = paired_statistics(table, request)
    if accuracy:
        alone = n_seeds == 1 and not data.multilabel and len(set(data.groups)) == len(data.groups)
        exact = mcnemar(right[0, 0] == 1, right[1, 0] == 1) if alone else None
        found["accuracy"] = replace(accuracy, mcnemar=exact)
    precision = _macro("average precision", data, weighted_average_precision, request)
    if precision:
        found["average precision"] = precision
    return found


def _right(data: _Data) -> FloatArray:
    """Return 1 where a case is right, or the share of its known findings that are, shape (2, seeds, cases)."""
    if data.multilabel:
        right = np.where(np.isnan(data.truth), np.nan, (data.scores >= 0.5) == (data.truth == 1))
        number = (~np.isnan(data.truth)).sum(0)
        return np.where(number > 0, np.nansum(right, axis=2) / np.maximum(number, 1), np.nan)
    if len(data.targets) == 1:
        return np.asarray((data.scores[:, :, 0] >= 0.5) == (data.truth[0] == 1), dtype=float)
    return np.asarray(data.scores.argmax(2) == data.truth.argmax(0), dtype=float)


def _rows(cases: Sequence[str], data: _Data) -> list[PairedRow]:
    """Return one row a case: the mean probability that is given to the truth."""
    mean = data.scores.mean(1)  # (2, targets, cases)
    of_truth = np.where(np.isnan(data.truth), np.nan, np.where(data.truth == 1, mean, 1 - mean))
    if data.multilabel or len(data.targets) == 1:
        counting = ~np.isnan(data.truth)
        values = np.where(counting, of_truth, 0).sum(1) / np.where(counting.any(0), counting.sum(0), np.nan)
    else:
        values = (mean * data.truth).sum(1)
    return [
        PairedRow(
            case,
            data.groups[i],
            float(values[0, i]),
            float(values[1, i]),
            *({t: float(mean[arm, j, i]) for j, t in enumerate(data.targets)} for arm in (0, 1)),
        )
        for i, case in enumerate(cases)
    ]


def _seeds(arms: Arms, data: _Data) -> list[SeedMean]:
    """Return the primary AUC of each run, where the runs have seeds."""
    areas = np.zeros(data.scores.shape[:2])
    for i in range(len(data.targets)):
        known = ~np.isnan(data.truth[i])
        positive, ones = data.truth[i, known] == 1, np.ones((1, int(known.sum())))
        for arm, run in np.ndindex(areas.shape):
            areas[arm, run] += weighted_auc(positive, data.scores[arm, run, i, known], ones)[0] / len(data.targets)
    seeds = list(arms[0].runs)
    if not is_crossed(arms):
        return []
    return [SeedMean(int(s or 0), float(areas[0, i]), float(areas[1, i])) for i, s in enumerate(seeds)]


def _collapsed(arm: Arm[ClassificationCase]) -> list[Collapsed]:
    """Return the trainings (files) that say the same of every case, or of every case about a class or finding."""
    found = []
    for seed, run in arm.runs.items():
        for path in arm.paths[seed]:
            own = [case.probabilities for name, case in run.items() if arm.origin[seed][name] == path]
            same = [t for t in own[0] if np.ptp([case[t] for case in own]) < COLLAPSED_RANGE] if len(own) > 1 else []
            if same and len(same) == len(own[0]):
                found.append(Collapsed(arm.name, seed, str(path), "the same prediction for every case", complete=True))
            else:
                whats = [f"the same prediction of {target} for every case" for target in same]
                found += [Collapsed(arm.name, seed, str(path), what) for what in whats]
    return found
