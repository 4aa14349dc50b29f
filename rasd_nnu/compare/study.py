"""Several comparisons at once: data sets, configurations, numbers of labelled cases, more than two arms."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rasd_nnu.compare.analyse import compare_summaries
from rasd_nnu.compare.classification import compare_predictions
from rasd_nnu.compare.detection import compare_detections
from rasd_nnu.compare.pairing import listing
from rasd_nnu.compare.result import FORMAT_VERSION, Comparison, Kind, strict
from rasd_nnu.compare.scoring import NanRule
from rasd_nnu.compare.statistics import Request
from rasd_nnu.compare.verdict import ALPHA, about_collapse, format_p
from rasd_nnu.errors import CompareError
from rasd_nnu.stats import AcrossDatasets, FriedmanNemenyi, across_datasets, friedman_nemenyi, holm

Runs = Mapping[int | None, Sequence[Path]]  # seed, or None -> files of the folds
ROPE = 0.01
_MANY = 4  # comparisons from which 10,000 sign patterns are drawn instead of 100,000


@dataclass(frozen=True)
class Design:
    """What a comparison is on; all arms share it.

    Args:
        dataset: Data set.
        task: Key of its dataset spec, if known.
        configuration: Configuration.
        n: Training cases, None for all.
        budget: Length of the training, None where all have the same.
    """

    dataset: str
    task: str | None = None
    configuration: str | None = None
    n: int | None = None
    budget: str | None = None

    @property
    def title(self) -> str:
        """One line for tables."""
        parts = [self.configuration, None if self.n is None else f"n = {self.n}", self.budget]
        return ", ".join([self.dataset, *(part for part in parts if part)])


@dataclass(frozen=True)
class Unit:
    """The records of one design.

    Args:
        design: What it is.
        arms: Arm's name -> its runs.
        groups: CSV with the groups of segmentation cases.
    """

    design: Design
    arms: Mapping[str, Runs]
    groups: Path | None = None


@dataclass(frozen=True)
class Entry:
    """One comparison of a study.

    Args:
        design: What it is on.
        comparison: The comparison.
        p_holm: Its p-value, corrected over all comparisons of the study.
    """

    design: Design
    comparison: Comparison
    p_holm: float


@dataclass(frozen=True)
class Across:
    """One arm against the control over data sets; several comparisons on one data set are averaged first.

    Args:
        names: The arm and the control.
        score: Name of the score.
        datasets: The data sets.
        result: Their statistics.
        sentence: The result in one sentence.
    """

    names: tuple[str, str]
    score: str
    datasets: tuple[str, ...]
    result: AcrossDatasets
    sentence: str


@dataclass(frozen=True)
class Ranking:
    """Three or more arms, ranked on each data set.

    Args:
        arms: The arms.
        score: Name of the score.
        result: Friedman's test with Nemenyi's comparisons.
    """

    arms: tuple[str, ...]
    score: str
    result: FriedmanNemenyi


@dataclass(frozen=True)
class Study:
    """Several comparisons.

    Args:
        control: The arm that the others are compared with.
        entries: The comparisons.
        across: Results over data sets, where there are two or more.
        rankings: Ranks of three or more arms, where there are two or more data sets.
        skipped: What was found but could not be compared, one line each.
    """

    control: str
    entries: list[Entry]
    across: list[Across] = field(default_factory=list)
    rankings: list[Ranking] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """The result in plain words."""
        if self.across:
            return " ".join(found.sentence for found in self.across)
        if len(self.entries) == 1:
            only = self.entries[0].comparison
            return " ".join(filter(None, (only.verdict, about_collapse(only))))
        clear = [entry for entry in self.entries if entry.p_holm < ALPHA]
        better = sum(entry.comparison.overall.favour > 0 for entry in clear)
        return (
            f"Of {len(self.entries)} comparisons, {better} are better than {self.control} and {len(clear) - better} "
            f"worse at p < {ALPHA} after Holm's correction; {len(self.entries) - len(clear)} show no difference."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as strict-JSON types."""
        plain: dict[str, Any] = strict(dataclasses.asdict(dataclasses.replace(self, entries=[])))
        entries = [
            {"design": strict(dataclasses.asdict(e.design)), "p_holm": e.p_holm, "comparison": e.comparison.to_dict()}
            for e in self.entries
        ]
        return {"format_version": FORMAT_VERSION, "sentence": self.sentence, **plain, "entries": entries}


def kind_of(path: Path) -> Kind:
    """Tell what a file of records is of, by its ending and content; what cannot be read is left to the reader."""
    if path.suffix == ".csv":
        return "classification"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "segmentation"
    return "detection" if '"boxes_true"' in text else "segmentation"


def compare_records(
    a: Runs,
    b: Runs,
    *,
    names: tuple[str, str],
    nan_rule: NanRule = "reference",
    groups: Path | None = None,
    allow_unmatched: bool = False,
    request: Request | None = None,
) -> Comparison:
    """Compare two arms from records of any kind; arguments as in `compare_summaries`.

    Raises:
        CompareError: If the kinds differ, or the arms cannot be compared.
    """
    kinds = {kind_of(path) for runs in (a, b) for paths in runs.values() for path in paths}
    if len(kinds) > 1:
        raise CompareError(f"{names[0]} and {names[1]} have records of {listing(kinds)}; expected one kind")
    kind = next(iter(kinds))
    if kind == "segmentation":
        return compare_summaries(
            a, b, names=names, nan_rule=nan_rule, groups=groups, allow_unmatched=allow_unmatched, request=request
        )
    compare = compare_predictions if kind == "classification" else compare_detections
    return compare(a, b, names=names, allow_unmatched=allow_unmatched, request=request)


def compare_study(
    units: Sequence[Unit],
    control: str,
    *,
    nan_rule: NanRule = "reference",
    allow_unmatched: bool = False,
    request: Request | None = None,
    rope: float = ROPE,
    skipped: Sequence[str] = (),
    adjust: Callable[[Design, Comparison], Comparison] | None = None,
) -> Study:
    """Compare every arm of every unit with the control.

    Args:
        units: What to compare.
        control: Name of the control.
        nan_rule: How a label that is absent from the reference of a case counts.
        allow_unmatched: Leave cases out that not all runs have, instead of raising.
        request: How to analyse.
        rope: Differences over data sets up to this count as practically equal.
        skipped: What was left out before.
        adjust: Called with each comparison, to add scores to it.

    Raises:
        CompareError: If there is nothing to compare, or a comparison cannot be made.
    """
    pairs = [(unit, arm) for unit in units for arm in unit.arms if arm != control]
    for unit in units:
        if control not in unit.arms:
            raise CompareError(
                f"{unit.design.title} has no arm {control!r}, only {listing(unit.arms)}; name one with --vs"
            )
    if not pairs:
        raise CompareError(f"there is no arm but the control {control!r}; expected two arms or more")
    asked = request or Request()
    if len(pairs) > _MANY:
        asked = dataclasses.replace(asked, n_resamples=min(asked.n_resamples, 10_000))

    def one(pair: tuple[Unit, str]) -> Comparison:
        unit, arm = pair
        found = compare_records(
            unit.arms[arm],
            unit.arms[control],
            names=(arm, control),
            nan_rule=nan_rule,
            groups=unit.groups,
            allow_unmatched=allow_unmatched,
            request=asked,
        )
        return adjust(unit.design, found) if adjust else found

    with ThreadPoolExecutor(max_workers=2) as pool:  # numpy leaves the interpreter free while it computes
        comparisons = list(pool.map(one, pairs))
    adjusted = holm([found.overall.p for found in comparisons])
    entries = [
        Entry(unit.design, found, float(p)) for (unit, _), found, p in zip(pairs, comparisons, adjusted, strict=True)
    ]
    return Study(control, entries, _across(entries, control, rope), _rankings(entries, control), list(skipped))


def _across(entries: Sequence[Entry], control: str, rope: float) -> list[Across]:
    """Return the result over data sets of each arm and score with two data sets or more."""
    kinds = dict.fromkeys((entry.comparison.names[0], entry.comparison.score) for entry in entries)
    found = []
    for arm, score in kinds:
        of_set: dict[str, list[float]] = {}
        for entry in entries:
            if (entry.comparison.names[0], entry.comparison.score) == (arm, score):
                of_set.setdefault(entry.design.dataset, []).append(entry.comparison.overall.difference)
        if len(of_set) > 1:
            result = across_datasets([float(np.mean(values)) for values in of_set.values()], rope=rope)
            found.append(Across((arm, control), score, tuple(of_set), result, _sentence(arm, control, score, result)))
    return found


def _sentence(arm: str, control: str, score: str, result: AcrossDatasets) -> str:
    test = result.test
    numbers = (
        f"mean difference in {score} {test.mean:+.4f}, 95 % CI {test.interval.low:+.4f} to {test.interval.high:+.4f}, "
        f"p {format_p(test.p)}; {result.wins} won, {result.ties} within {result.bayes.rope:g}, {result.losses} lost"
    )
    start = f"Over {result.n_datasets} data sets"
    if test.p < ALPHA:
        return f"{start}, {arm} is {'better' if test.mean > 0 else 'worse'} than {control} ({numbers})."
    if test.smallest_p >= ALPHA:
        return f"{start}, whether {arm} or {control} is better cannot be shown: too few data sets ({numbers})."
    return f"{start}, no difference is shown between {arm} and {control} ({numbers}); they need not be equal."


def _rankings(entries: Sequence[Entry], control: str) -> list[Ranking]:
    """Rank the arms on each data set that has all of them, where there are three arms and two data sets."""
    found = []
    for score in dict.fromkeys(entry.comparison.score for entry in entries):
        own = [entry for entry in entries if entry.comparison.score == score]
        arms = (control, *dict.fromkeys(entry.comparison.names[0] for entry in own))
        means: dict[str, dict[str, list[float]]] = {}
        for entry in own:
            of_set = means.setdefault(entry.design.dataset, {})
            of_set.setdefault(entry.comparison.names[0], []).append(entry.comparison.overall.mean_a)
            of_set.setdefault(control, []).append(entry.comparison.overall.mean_b)
        table = [[float(np.mean(of_set[a])) for a in arms] for of_set in means.values() if set(of_set) == set(arms)]
        if len(arms) > 2 and len(table) > 1 and np.ptp(np.array(table), axis=1).max() > 0:
            found.append(Ranking(arms, score, friedman_nemenyi(table)))
    return found
