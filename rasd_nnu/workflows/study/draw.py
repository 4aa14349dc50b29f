"""Which labelled cases a training gets, as a short text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rasd_nnu.errors import ConfigError

_DRAW = re.compile(r"(\d{1,4}):(all|[1-9]\d{0,8}):(-|\d{1,10})")


@dataclass(frozen=True)
class Draw:
    """Labelled cases of a fold.

    Args:
        fold: Fold of the data set's split by patient.
        count: Number of labelled cases; None for all.
        seed: Of the order of the patients; None where all cases are taken, which needs none.

    Example:
        >>> str(Draw(0, 5, 1)), str(parse_draw("0:all:-"))
        ('0:5:1', '0:all:-')
    """

    fold: int
    count: int | None
    seed: int | None

    def __str__(self) -> str:
        """Return ``FOLD:COUNT:SEED``."""
        count = "all" if self.count is None else self.count
        return f"{self.fold}:{count}:{'-' if self.seed is None else self.seed}"


def parse_draw(text: str) -> Draw:
    """Read ``FOLD:COUNT:SEED``, ``FOLD:all:-`` for all cases of a fold.

    Raises:
        ConfigError: If it is something else.
    """
    match = _DRAW.fullmatch(text)
    if match is None or (match[2] == "all") != (match[3] == "-"):
        raise ConfigError(f"{text[:80]!r} is no draw, expected FOLD:COUNT:SEED such as 0:5:1, or FOLD:all:-.")
    return Draw(int(match[1]), None if match[2] == "all" else int(match[2]), None if match[3] == "-" else int(match[3]))
