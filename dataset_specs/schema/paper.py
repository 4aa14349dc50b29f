"""What the RaSD paper prints about a task."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rasd_nnu.dataset_specs.schema.base import SpecModel, Text


class Score(SpecModel):
    """A result as printed in the paper, in per cent, with its 95 % confidence interval."""

    mean: float = Field(ge=0, le=100)
    ci_low: float | None = None
    ci_high: float | None = None


class PaperNumbers(SpecModel):
    """What the RaSD paper reports for the task.

    Args:
        name: Name of the task in the paper.
        tables: Tables that hold the numbers.
        classes: Number of classes it states; None where it states none.
        metric: Metric of `results`.
        results: Method -> score.
        p_vs_scratch: p-value of RaSD against scratch as printed.
        p_vs_best: p-value of RaSD against the best (or, where RaSD leads, second best) method as printed.
        confidence: How sure it is that the public data reproduce the task of the paper.
        notes: Contradictions and open questions.
    """

    name: Text
    tables: tuple[Text, ...] = ()
    classes: int | None = Field(None, ge=1)
    metric: Text
    results: dict[str, Score] = {}
    p_vs_scratch: str | float | None = None
    p_vs_best: str | float | None = None
    confidence: Literal["low", "medium", "high"] | None = None
    notes: tuple[Text, ...] = ()
