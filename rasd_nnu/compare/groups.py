"""Which patient a case belongs to, read from ``cases.csv``."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from rasd_nnu.compare.pairing import listing
from rasd_nnu.errors import CompareError, did_you_mean

COLUMNS = ("case", "group")


def read_groups(path: Path, cases: Iterable[str]) -> dict[str, str]:
    """Read the group of each of ``cases`` from a CSV file with (at least) the columns case and group.

    Raises:
        CompareError: If the file cannot be read, a column is missing, a case has no group or two groups.
    """
    groups: dict[str, str] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            _check_columns(reader.fieldnames or (), path)
            for row in reader:
                case, group = row["case"], row["group"]
                if groups.setdefault(case, group) != group:
                    raise CompareError(f"{path}: case {case!r} is in groups {groups[case]!r} and {group!r}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CompareError(f"cannot read the groups from {path}: {error}") from None
    missing = [case for case in cases if not groups.get(case)]
    if missing:
        raise CompareError(
            f"{path} gives no group for: {listing(missing)}; expected one row a case with its patient as group"
        )
    return {case: groups[case] for case in cases}


def _check_columns(columns: Iterable[str], path: Path) -> None:
    for wanted in COLUMNS:
        if wanted not in columns:
            raise CompareError(
                f"{path} has no column {wanted!r} (found: {', '.join(columns) or 'none'}); expected the columns "
                f"case and group.{did_you_mean(wanted, columns)}"
            )
