"""Say what a source holds and what is missing, before any work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rasd_nnu.dataset_specs.convert import convert
from rasd_nnu.dataset_specs.layouts.find import find_cases, release_folder
from rasd_nnu.dataset_specs.layouts.index import FileIndex
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.schema.annotation import Classes
from rasd_nnu.dataset_specs.schema.layout import ArraysLayout, DecathlonLayout, FilesLayout
from rasd_nnu.dataset_specs.source import SourceCase
from rasd_nnu.dataset_specs.splits import plan_split
from rasd_nnu.errors import DatasetError

Track = Callable[[Sequence[SourceCase], int, str], Iterable[SourceCase]]


def untracked(cases: Sequence[SourceCase], total: int, description: str) -> Iterable[SourceCase]:
    """Go through the cases without showing progress."""
    return cases


@dataclass
class CheckReport:
    """What a check found.

    Args:
        found: What is there, one line each.
        problems: What makes the source unusable, one line each; empty where `prepare` will work.
        warnings: What is not as the full release or cannot be checked, one line each.
    """

    found: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check(spec: DatasetSpec, source: Path, voxels: bool = False, track: Track = untracked) -> CheckReport:
    """Look at a source without writing anything.

    Args:
        spec: The task.
        source: The unpacked release, or the folder above it.
        voxels: Also read and convert every case, as `prepare` would.
        track: Wraps the loop over the cases, to show progress.
    """
    report = CheckReport()
    try:
        _survey(spec, release_folder(spec, source), report)
        cases = find_cases(spec, source)
    except DatasetError as error:
        report.problems.append(str(error))
        return report
    _count(spec, cases, report)
    _splits(spec, cases, report)
    for case in track(cases, len(cases), "check") if voxels else ():
        try:
            convert(spec, case)
        except DatasetError as error:
            report.problems.append(f"{case.case}: {error}")
    if not voxels:
        _missing(cases, report)
        report.warnings.append("voxels and annotations were not read; --voxels does that")
    if spec.downloads and not all(download.known_hash for download in spec.downloads):
        report.warnings.append("no checksum of the official archives is known, so a changed release goes unnoticed")
    return report


def _survey(spec: DatasetSpec, root: Path, report: CheckReport) -> None:
    """Count what fits each pattern, so that a missing part shows at a glance."""
    if isinstance(spec.layout, DecathlonLayout):
        return
    index = FileIndex.of(root)
    report.found.append(f"{root}: {len(index.files)} files")
    for what, pattern in _patterns(spec):
        report.found.append(f"{len(index.find(pattern)):>7} {what} {pattern}")


def _patterns(spec: DatasetSpec) -> list[tuple[str, str]]:
    layout = spec.layout
    patterns: list[tuple[str, str]] = []
    if isinstance(layout, FilesLayout):
        patterns += [("images", pattern) for pattern in layout.images]
        patterns += [("tables", table.file) for table in layout.tables]
    elif isinstance(layout, ArraysLayout):
        patterns.append(("containers", layout.file))
    elif not isinstance(layout, DecathlonLayout):
        patterns += [("tables", layout.table), ("images", layout.image)]
    annotation = spec.annotation
    if not isinstance(annotation, Classes) and annotation.file:
        patterns.append(("annotations", annotation.file))
    return patterns


def _missing(cases: Sequence[SourceCase], report: CheckReport) -> None:
    """Look for the files that a table of contents lists; those that a pattern found are there."""
    files = dict.fromkeys(ref.path for case in cases for ref in case.files)
    missing = [path for path in files if not path.exists()]
    if missing:
        more = f", and so are {len(missing) - 1} more of {len(files)} files" if len(missing) > 1 else ""
        report.problems.append(f"{missing[0]} is missing{more}; unpack the official archive again")


def _count(spec: DatasetSpec, cases: Sequence[SourceCase], report: CheckReport) -> None:
    groups = {spec.group.group_of(case.case, case.fields) for case in cases}
    expected = spec.layout.cases
    of_all = f" of {expected}" if expected else ""
    report.found.append(f"{len(cases)}{of_all} cases with their annotation, in {len(groups)} groups")
    if expected and len(cases) != expected:
        report.warnings.append(f"the official release has {expected} cases, the source {len(cases)}")
    for column, labels in spec.class_columns.items():
        counts = Counter(case.classes[column] for case in cases)
        listed = ", ".join(f"{name} {counts[value]}" for name, value in labels.items())
        report.found.append(f"{column}: {listed}")


def _splits(spec: DatasetSpec, cases: Sequence[SourceCase], report: CheckReport) -> None:
    try:
        plan = plan_split(spec, cases)
        report.found.append(f"default split: {len(plan.folds)} folds by group")
        report.warnings += plan.warnings
        if spec.split.paper and spec.split.paper.valid is not None:
            paper = plan_split(spec, cases, "paper")
            sides = Counter(paper.sides.values())
            report.found.append("paper's split: " + ", ".join(f"{side} {n}" for side, n in sorted(sides.items())))
            report.warnings += [f"--split paper: {text}" for text in paper.warnings]
    except DatasetError as error:
        report.warnings.append(str(error))
