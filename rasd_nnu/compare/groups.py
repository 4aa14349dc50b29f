"""Which patient a case belongs to, read from ``cases.csv``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rasd_nnu.compare.pairing import listing
from rasd_nnu.errors import CompareError
from rasd_nnu.reading import read_table

COLUMNS = ("case", "group")


def read_groups(path: Path, cases: Iterable[str]) -> dict[str, str]:
    """Read the group of each of ``cases`` from a CSV file with (at least) the columns case and group.

    Raises:
        CompareError: If the file cannot be read, a column is missing, a case has no group or two groups.
    """
    groups: dict[str, str] = {}
    for row in read_table(path, COLUMNS, CompareError, "Give a table with the columns case and group."):
        case, group = row["case"], row["group"]
        if groups.setdefault(case, group) != group:
            raise CompareError(f"{path}: case {case!r} is in groups {groups[case]!r} and {group!r}")
    missing = [case for case in cases if not groups.get(case)]
    if missing:
        raise CompareError(
            f"{path} gives no group for: {listing(missing)}; expected one row a case with its patient as group"
        )
    return {case: groups[case] for case in cases}
