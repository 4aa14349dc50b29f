"""From the summaries of two segmentation arms to their paired comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from rasd_nnu.compare.collapse import failed_arms, without_collapsed
from rasd_nnu.compare.groups import read_groups
from rasd_nnu.compare.pairing import check_labels, check_references
from rasd_nnu.compare.records import CaseRecord, read_summary
from rasd_nnu.compare.result import Collapsed, Comparison, FalsePositives, PairedRow
from rasd_nnu.compare.scoring import NanRule, label_score
from rasd_nnu.compare.statistics import Request, ScoreTable, each_label, paired_statistics
from rasd_nnu.compare.verdict import verdict

FloatArray = npt.NDArray[np.float64]
Arms = tuple[Arm[CaseRecord], Arm[CaseRecord]]
COLLAPSED_DICE = 0.05  # a training whose best case is below has not found the label


def compare_summaries(
    a: ArmSource,
    b: ArmSource,
    *,
    names: tuple[str, str] = ("A", "B"),
    nan_rule: NanRule = "reference",
    groups: Path | None = None,
    allow_unmatched: bool = False,
    seed: int = 0,
    request: Request | None = None,
) -> Comparison:
    """Compare two arms case by case; positive differences favour ``a``.

    Args:
        a: One ``summary.json``, those of several folds (cases are pooled), or seed -> those of its folds. The same two
            or more seeds in both arms are crossed with the patients: seeds are not cases.
        b: The same for the other arm.
        names: Names of the arms.
        nan_rule: How a label that is absent from the reference of a case counts, see `scoring.DESCRIPTIONS`.
        groups: CSV file with the columns case and group; the group is then the unit of analysis.
        allow_unmatched: Leave cases out that not all runs have, instead of raising.
        seed: Seed of bootstrap and permutations.
        request: How to analyse; replaces ``seed``.

    Raises:
        CompareError: If a file is not a summary, or the arms cannot be paired.
    """
    request = request or Request(seed=seed)
    arms: Arms = read_arms((a, b), names, _pool)
    cases = shared_cases(arms, check_references, allow_unmatched)
    group_of = read_groups(groups, cases) if groups else None
    unit_of = [group_of[case] for case in cases] if group_of else None
    scores = _scores(arms[0], cases, nan_rule), _scores(arms[1], cases, nan_rule)
    means = _over_labels(scores[0]), _over_labels(scores[1])
    crossed = is_crossed(arms)
    overall = paired_statistics(ScoreTable("Dice", *means, unit_of, crossed), request)
    labels = list(next(iter(arms[0].runs.values()))[cases[0]])
    if overall is None:
        counting = [case for case, row in zip(cases, means[0][0], strict=True) if not math.isnan(row)]
        units = {group_of[case] if group_of else case for case in counting}
        raise too_few(len(cases), len(counting), len(units), group_of is not None)
    tables = {
        label: ScoreTable("Dice", scores[0][..., i], scores[1][..., i], unit_of, crossed)
        for i, label in enumerate(labels)
    }
    collapsed = _collapsed(arms[0], cases) + _collapsed(arms[1], cases)
    seeds = seed_means(arms, means, unit_of)
    failed = failed_arms(collapsed, {arm.name: arm.files for arm in arms})
    dropped = left_out(arms[0], cases), left_out(arms[1], cases)
    recipe = provenance.recipe_differences(arms[0].files, arms[1].files)
    shares = {arm.name: provenance.transferred_share(arm.files) for arm in arms}
    return Comparison(
        names=names,
        kind="segmentation",
        score="Dice",
        row_score="Dice",
        nan_rule=nan_rule,
        grouped=group_of is not None,
        rows=_rows(cases, unit_of, labels, scores, means),
        overall=overall,
        labels=each_label(tables, request),
        label_names=provenance.label_names(arms[0].files),
        false_positives=_false_positives(arms, cases),
        seeds=seeds,
        collapsed=collapsed,
        without_collapsed=without_collapsed(collapsed, seeds),
        n_trainings=len(arms[0].files) + len(arms[1].files),
        unmatched=dropped,
        recipe_differences=recipe,
        transfer={name: share for name, share in shares.items() if share is not None},
        warnings=warnings_of(arms, overall, dropped),
        sources={arm.name: [str(path) for path in arm.files] for arm in arms},
        failed=failed,
        verdict=verdict(names, overall, recipe, failed),
    )


def _pool(paths: Sequence[Path]) -> tuple[dict[str, CaseRecord], dict[str, Path]]:
    """Read the summaries of one run, and check that all have the same labels."""
    records, origin = pool_files(paths, read_summary)
    check_labels(records, origin)
    return records, origin


def _scores(arm: Arm[CaseRecord], cases: Sequence[str], rule: NanRule) -> FloatArray:
    """Return the Dice of each run, case and label, shape (seeds, cases, labels); NaN where the rule leaves one out."""
    return np.array(
        [[[label_score(counts, rule) for counts in run[case].values()] for case in cases] for run in arm.runs.values()]
    )


def _over_labels(scores: FloatArray) -> FloatArray:
    """Return the mean over the labels that count, shape (seeds, cases); NaN where none does."""
    counting = ~np.isnan(scores)
    number = counting.sum(-1)
    total = np.where(counting, scores, 0.0).sum(-1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _rows(
    cases: Sequence[str],
    groups: Sequence[str] | None,
    labels: Sequence[str],
    scores: tuple[FloatArray, FloatArray],
    means: tuple[FloatArray, FloatArray],
) -> list[PairedRow]:
    """Return one row a case; the rule leaves a label out in all seeds or in none, so that the mean is over all."""
    of_labels = [array.mean(0) for array in scores]
    of_cases = [array.mean(0) for array in means]
    return [
        PairedRow(
            case,
            groups[i] if groups else None,
            float(of_cases[0][i]),
            float(of_cases[1][i]),
            dict(zip(labels, of_labels[0][i].tolist(), strict=True)),
            dict(zip(labels, of_labels[1][i].tolist(), strict=True)),
        )
        for i, case in enumerate(cases)
    ]


def _false_positives(arms: Arms, cases: Sequence[str]) -> list[FalsePositives]:
    """Count what is predicted where the reference lacks the label, for labels that some case lacks."""
    first = next(iter(arms[0].runs.values()))
    table = []
    for label in first[cases[0]]:
        lacking = [case for case in cases if first[case][label].in_reference == 0]
        if lacking:
            va, vb = (np.array([[run[c][label].fp for c in lacking] for run in arm.runs.values()]) for arm in arms)
            shares = float((va > 0).mean()), float((vb > 0).mean())
            table.append(FalsePositives(label, len(lacking), *shares, float(va.mean()), float(vb.mean())))
    return table


def _collapsed(arm: Arm[CaseRecord], cases: Sequence[str]) -> list[Collapsed]:
    """Return the trainings (files) whose best case of some label is below `COLLAPSED_DICE`."""
    found = []
    for seed, run in arm.runs.items():
        for path in arm.paths[seed]:
            own = [case for case in cases if arm.origin[seed][case] == path]
            best = {}
            for label in run[cases[0]]:
                present = [run[case][label].dice for case in own if run[case][label].in_reference]
                if present:
                    best[label] = max(present)
            lost = [label for label, dice in best.items() if dice < COLLAPSED_DICE]
            complete = len(lost) == len(best)
            found += [Collapsed(arm.name, seed, str(path), f"label {label} never found", complete) for label in lost]
    return found
