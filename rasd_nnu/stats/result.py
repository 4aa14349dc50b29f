"""What all results of this package share."""

from __future__ import annotations

import dataclasses
import math
from typing import Any


@dataclasses.dataclass(frozen=True)
class Result:
    """A result whose fields are plain numbers, texts, or results and sequences of these."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data, nested results included; NaN and infinity, which JSON lacks, as None."""
        return {name: _plain(value) for name, value in dataclasses.asdict(self).items()}


def _plain(value: Any) -> Any:
    """Return nested plain data with None for the numbers that JSON lacks."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@dataclasses.dataclass(frozen=True)
class Interval(Result):
    """A confidence interval.

    Args:
        low: Lower bound.
        high: Upper bound.
        confidence: Nominal coverage, such as 0.95.
        method: How it was made, such as ``bca``; ``degenerate`` where all units have the same difference.
        note: What to tell the reader about the interval; empty if nothing.
    """

    low: float
    high: float
    confidence: float
    method: str
    note: str = ""


def check_confidence(confidence: float) -> float:
    """Return the confidence if it lies strictly between 0 and 1.

    Raises:
        ValueError: If it does not.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}; 0.95 is usual")
    return confidence
