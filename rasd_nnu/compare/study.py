"""Several comparisons at once: data sets, configurations, numbers of labelled cases, more than two arms."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rasd_nnu.compare.across import Across, Ranking, across, rankings
from rasd_nnu.compare.analyse import compare_summaries
from rasd_nnu.compare.classification import compare_predictions
from rasd_nnu.compare.collapse import about_collapses, lead
from rasd_nnu.compare.design import Design, Entry, Runs, Unit
from rasd_nnu.compare.detection import compare_detections
from rasd_nnu.compare.pairing import listing
from rasd_nnu.compare.result import FORMAT_VERSION, Comparison, Kind, strict
from rasd_nnu.compare.scoring import NanRule
from rasd_nnu.compare.statistics import Request
from rasd_nnu.compare.verdict import ALPHA
from rasd_nnu.errors import CompareError
from rasd_nnu.stats import holm

ROPE = 0.01
_MANY = 4  # comparisons from which 10,000 sign patterns are drawn instead of 100,000


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
        if len(self.entries) == 1:
            return lead(self.entries[0].comparison)
        found = [found.sentence for found in self.across] or [self._counts()]
        return " ".join(filter(None, (*found, about_collapses([entry.comparison for entry in self.entries]))))

    def _counts(self) -> str:
        """Say how many comparisons show what; one with an arm that learned nothing shows no quality."""
        judged = [entry for entry in self.entries if not entry.comparison.failed]
        clear = [entry for entry in judged if entry.p_holm < ALPHA]
        better = sum(entry.comparison.overall.favour > 0 for entry in clear)
        text = (
            f"Of {len(self.entries)} comparisons with {self.control}, the other arm is better in {better} and worse in "
            f"{len(clear) - better} at p < {ALPHA} after Holm's correction; no difference is shown in "
            f"{len(judged) - len(clear)}"
        )
        failed = len(self.entries) - len(judged)
        return text + (f"; in {failed} all trainings of an arm collapsed." if failed else ".")

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
    return Study(control, entries, across(entries, control, rope), rankings(entries, control), list(skipped))
