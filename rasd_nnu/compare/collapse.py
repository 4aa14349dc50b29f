"""Trainings that collapsed: which they are, what is left without them, and what has to be said of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from rasd_nnu.compare.result import Collapsed, Comparison, SeedMean

NO_QUALITY = "not a difference in quality"


def failed_arms(collapsed: Sequence[Collapsed], files: Mapping[str, Sequence[Path]]) -> list[str]:
    """Return the arms without a training that learned anything.

    Args:
        collapsed: All collapsed trainings.
        files: Arm's name -> files of its records, one a training.
    """
    complete = {(found.arm, found.source) for found in collapsed if found.complete}
    return [name for name, paths in files.items() if all((name, str(path)) in complete for path in paths)]


def without_collapsed(collapsed: Sequence[Collapsed], seeds: Sequence[SeedMean]) -> float | None:
    """Return the mean difference over the seeds without a collapsed training; None where none or all collapsed."""
    failed = {found.seed for found in collapsed}
    kept = [s.a - s.b for s in seeds if s.seed not in failed and s.a is not None and s.b is not None]
    return float(np.mean(kept)) if failed and kept else None


def about_collapse(comparison: Comparison) -> str:
    """Say how many trainings collapsed, and what is left without them; empty if none did."""
    if not comparison.collapsed:
        return ""
    files = {found.source for found in comparison.collapsed}
    whats: dict[str, list[str]] = {}
    for found in comparison.collapsed:
        seed = "" if found.seed is None else f" seed {found.seed}"
        whats.setdefault(f"{found.arm}{seed}", []).append(found.what)
    named = "; ".join(f"{run}: {', '.join(dict.fromkeys(what))}" for run, what in whats.items())
    text = f"{len(files)} of {comparison.n_trainings} trainings collapsed ({named})"
    judged = "that is a failed training" if len(files) == 1 else "those are failed trainings"
    text += "." if comparison.failed else f": {judged}, {NO_QUALITY}."  # of failed arms the verdict says it
    if comparison.without_collapsed is not None:
        text += f" Over the other seeds the difference is {comparison.without_collapsed:+.4f}."
    return text


def lead(comparison: Comparison) -> str:
    """Return the verdict, and beside it what collapsed, which it must not be read without."""
    return " ".join(filter(None, (comparison.verdict, about_collapse(comparison))))


def about_collapses(comparisons: Sequence[Comparison]) -> str:
    """Say in how many of several comparisons a training collapsed; empty if in none."""
    within = sum(bool(comparison.collapsed) for comparison in comparisons)
    if not within:
        return ""
    number = count_collapsed(comparisons)
    trainings = "1 training" if number == 1 else f"{number} trainings"
    return f"{trainings} collapsed, in {within} of {len(comparisons)} comparisons: {NO_QUALITY}."


def count_collapsed(comparisons: Iterable[Comparison]) -> int:
    """Return how many trainings collapsed; a control that is in several comparisons counts once."""
    return len({found.source for comparison in comparisons for found in comparison.collapsed})
