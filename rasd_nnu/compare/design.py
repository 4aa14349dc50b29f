"""What a comparison is on, the records of its arms, and what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rasd_nnu.compare.result import Comparison

Runs = Mapping[int | None, Sequence[Path]]  # seed, or None -> files of the folds


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
