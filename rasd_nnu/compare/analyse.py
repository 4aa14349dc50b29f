"""From the summaries of two arms to their paired comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rasd_nnu.compare import provenance
from rasd_nnu.compare.groups import read_groups
from rasd_nnu.compare.pairing import Records, common_cases, listing, pool_folds
from rasd_nnu.compare.result import Comparison, FalsePositives, PairedRow, PairedStatistics, SeedMean
from rasd_nnu.compare.scoring import NanRule, case_score, label_scores
from rasd_nnu.compare.verdict import verdict
from rasd_nnu.errors import CompareError
from rasd_nnu.stats import holm, mean_interval, paired_signflip, paired_wilcoxon, unit_means

ArmSource = Path | Sequence[Path] | Mapping[int | None, Sequence[Path]]
Arm = dict[int | None, Records]  # seed, or None for a single run -> records


def compare_summaries(
    a: ArmSource,
    b: ArmSource,
    *,
    names: tuple[str, str] = ("A", "B"),
    nan_rule: NanRule = "reference",
    groups: Path | None = None,
    allow_unmatched: bool = False,
    seed: int = 0,
) -> Comparison:
    """Compare two arms case by case; positive differences favour ``a``.

    Args:
        a: One ``summary.json``, those of several folds (cases are pooled), or seed -> those of its folds (scores
            are averaged over the seeds case by case: seeds are not cases).
        b: The same for the other arm.
        names: Names of the arms.
        nan_rule: How a label that is absent from the reference of a case counts, see `scoring.DESCRIPTIONS`.
        groups: CSV file with the columns case and group; the group is then the unit of analysis.
        allow_unmatched: Leave cases out that not all runs have, instead of raising.
        seed: Seed of bootstrap and permutations.

    Raises:
        CompareError: If a file is not a summary, or the arms cannot be paired.
    """
    sources = _runs(a), _runs(b)
    paths = _distinct_paths(sources)
    if names[0] == names[1]:
        raise CompareError(f"both arms are named {names[0]!r}; give them names of their own")
    arm_a, arm_b = ({s: pool_folds(p) for s, p in source.items()} for source in sources)
    cases = _shared_cases((arm_a, arm_b), names, allow_unmatched)
    group_of = read_groups(groups, cases) if groups else None
    rows = [_row(case, arm_a, arm_b, nan_rule, group_of) for case in cases]
    overall = _statistics(rows, None, seed)
    if overall is None:
        raise _too_few(rows, group_of is not None)
    recipe = provenance.recipe_differences(*paths)
    left_out = _left_out(arm_a, cases), _left_out(arm_b, cases)
    shares = {name: provenance.transferred_share(p) for name, p in zip(names, paths, strict=True)}
    return Comparison(
        names=names,
        score="Dice",
        nan_rule=nan_rule,
        grouped=group_of is not None,
        rows=rows,
        overall=overall,
        labels=_label_statistics(rows, seed),
        label_names=provenance.label_names(paths[0]),
        false_positives=_false_positives(arm_a, arm_b, cases),
        seeds=_seed_means(arm_a, arm_b, cases, nan_rule, group_of),
        unmatched=left_out,
        recipe_differences=recipe,
        transfer={name: share for name, share in shares.items() if share is not None},
        warnings=_warnings(names, sources, paths, overall, left_out),
        sources={name: [str(p) for p in files] for name, files in zip(names, paths, strict=True)},
        verdict=verdict(names, overall, recipe),
    )


def _runs(source: ArmSource) -> dict[int | None, list[Path]]:
    if isinstance(source, Mapping):
        return {seed: list(paths) for seed, paths in source.items()}
    return {None: [source] if isinstance(source, Path) else list(source)}


def _distinct_paths(sources: Sequence[Mapping[int | None, list[Path]]]) -> tuple[list[Path], list[Path]]:
    """Return all summaries of each arm, after checking that no file belongs to both."""
    a, b = ([path for paths in source.values() for path in paths] for source in sources)
    both = {p.resolve() for p in a} & {p.resolve() for p in b}
    if both:
        raise CompareError(f"both arms hold {listing(map(str, both))}; expected two different trainings")
    return a, b


def _shared_cases(arms: Sequence[Arm], names: tuple[str, str], allow_unmatched: bool) -> list[str]:
    """Return the cases that all runs of both arms share, sorted."""
    runs = [
        (name if seed is None else f"{name}, seed {seed}", records)
        for name, arm in zip(names, arms, strict=True)
        for seed, records in arm.items()
    ]
    first_name, first = runs[0]
    shared = set(first)
    for name, records in runs[1:]:
        shared &= set(common_cases(first, records, (first_name, name), allow_unmatched))
    return sorted(shared)


def _left_out(arm: Arm, cases: list[str]) -> list[str]:
    return sorted({case for records in arm.values() for case in records} - set(cases))


def _row(case: str, a: Arm, b: Arm, rule: NanRule, group_of: Mapping[str, str] | None) -> PairedRow:
    labels_a, labels_b = _mean_label_scores(a, case, rule), _mean_label_scores(b, case, rule)
    group = group_of[case] if group_of else None
    return PairedRow(case, group, case_score(labels_a.values()), case_score(labels_b.values()), labels_a, labels_b)


def _mean_label_scores(arm: Arm, case: str, rule: NanRule) -> dict[str, float]:
    """Average each label's score over the seeds; the rule leaves a label out in all seeds or in none."""
    runs = [label_scores(records[case], rule) for records in arm.values()]
    return {label: float(np.mean([run[label] for run in runs])) for label in runs[0]}


def _statistics(rows: Sequence[PairedRow], label: str | None, seed: int) -> PairedStatistics | None:
    """Return the statistics of one label, or of the mean over labels (None); None with fewer than 2 units."""
    a = np.array([row.a if label is None else row.labels_a[label] for row in rows])
    b = np.array([row.b if label is None else row.labels_b[label] for row in rows])
    keep = ~np.isnan(a)
    groups = [row.case if row.group is None else row.group for row, kept in zip(rows, keep, strict=True) if kept]
    if len(set(groups)) < 2:
        return None
    units_a, units_b = unit_means(a[keep], groups), unit_means(b[keep], groups)
    difference = unit_means(a[keep] - b[keep], groups)
    return PairedStatistics(
        n_cases=int(keep.sum()),
        n_units=difference.size,
        mean_a=float(units_a.mean()),
        mean_b=float(units_b.mean()),
        sd_a=float(units_a.std(ddof=1)),
        sd_b=float(units_b.std(ddof=1)),
        difference=float(difference.mean()),
        interval=mean_interval(difference, seed=seed),
        signflip=paired_signflip(difference, seed=seed),
        wilcoxon=paired_wilcoxon(difference),
        wins=int((difference > 0).sum()),
        ties=int((difference == 0).sum()),
        losses=int((difference < 0).sum()),
    )


def _label_statistics(rows: Sequence[PairedRow], seed: int) -> dict[str, PairedStatistics]:
    """Return the statistics of each label with at least 2 units, with p-values corrected over the labels."""
    results = {label: _statistics(rows, label, seed) for label in rows[0].labels_a}
    found = {label: result for label, result in results.items() if result}
    adjusted = holm([result.signflip.p for result in found.values()])
    return {label: replace(result, p_holm=float(p)) for (label, result), p in zip(found.items(), adjusted, strict=True)}


def _false_positives(a: Arm, b: Arm, cases: list[str]) -> list[FalsePositives]:
    """Count what is predicted where the reference lacks the label, for labels that some case lacks."""
    first = next(iter(a.values()))
    table = []
    for label in first[cases[0]]:
        lacking = [case for case in cases if first[case][label].in_reference == 0]
        if lacking:
            va, vb = (np.array([[r[c][label].fp for c in lacking] for r in arm.values()]) for arm in (a, b))
            shares = float((va > 0).mean()), float((vb > 0).mean())
            table.append(FalsePositives(label, len(lacking), *shares, float(va.mean()), float(vb.mean())))
    return table


def _seed_means(a: Arm, b: Arm, cases: list[str], rule: NanRule, group_of: Mapping[str, str] | None) -> list[SeedMean]:
    """Return the mean score of each run, where the runs have seeds."""

    def mean(arm: Arm, seed: int) -> float | None:
        if seed not in arm:
            return None
        scores = {case: case_score(label_scores(arm[seed][case], rule).values()) for case in cases}
        kept = {case: score for case, score in scores.items() if not math.isnan(score)}
        groups = [group_of[case] for case in kept] if group_of else None
        return float(unit_means(list(kept.values()), groups).mean())

    seeds = sorted(seed for seed in a.keys() | b.keys() if seed is not None)
    return [SeedMean(seed, mean(a, seed), mean(b, seed)) for seed in seeds]


def _too_few(rows: Sequence[PairedRow], grouped: bool) -> CompareError:
    unit = "patients (groups)" if grouped else "cases"
    counting = [row for row in rows if not math.isnan(row.a)]
    n = len({row.group if grouped else row.case for row in counting})
    return CompareError(
        f"n = {n}: {len(rows)} cases are paired, of which the NaN rule keeps {len(counting)}; a paired comparison "
        f"needs at least 2 {unit}, and 6 to be able to reach p < 0.05. Validate on more."
    )


def _warnings(
    names: tuple[str, str],
    sources: Sequence[Mapping[int | None, list[Path]]],
    paths: tuple[list[Path], list[Path]],
    overall: PairedStatistics,
    left_out: tuple[list[str], list[str]],
) -> list[str]:
    """Return what makes the comparison less trustworthy, one line each."""
    found = []
    for name, files, cases in zip(names, paths, left_out, strict=True):
        found += provenance.warnings_of(name, files)
        if cases:
            found.append(f"left out because not all runs have them, but {name} has: {listing(cases)}")
    if sources[0].keys() != sources[1].keys():
        texts = (f"{name} has {_seed_text(s)}" for name, s in zip(names, sources, strict=True))
        found.append(f"the arms have different seeds: {', '.join(texts)}")
    if overall.ties == overall.n_units:
        found.append("the arms have the same score in every case; are they copies of one training?")
    if provenance.recipe_unknown(*paths):
        found.append("the recipes of the arms were not compared: no plans.json beside the summaries")
    return found


def _seed_text(runs: Mapping[int | None, list[Path]]) -> str:
    return "one run without a seed" if None in runs else f"seeds {', '.join(map(str, runs))}"
