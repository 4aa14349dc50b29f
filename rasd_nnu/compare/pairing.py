"""Which cases two runs share, and whether they are the same cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from rasd_nnu.compare.records import CaseRecord
from rasd_nnu.errors import CompareError

Records = Mapping[str, CaseRecord]  # case -> record
_LISTED = 10


def listing(names: Iterable[str]) -> str:
    """Return the names, comma separated; of a long list the first few and the total."""
    names = sorted(names)
    rest = f", ... ({len(names)} in all)" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + rest


def match_cases(a: AbstractSet[str], b: AbstractSet[str], names: tuple[str, str], allow_unmatched: bool) -> list[str]:
    """Return the cases that two runs share, sorted.

    Args:
        a: Cases of the one run.
        b: Cases of the other run.
        names: What to call the runs in an error.
        allow_unmatched: Leave out cases that only one run has, instead of raising.

    Raises:
        CompareError: If no case is shared, or cases do not match.
    """
    shared = sorted(a & b)
    only = [f"only in {n}: {listing(c)}" for n, c in zip(names, (a - b, b - a), strict=True) if c]
    if not shared:
        raise CompareError(f"the arms share no case; {'; '.join(only)}. Compare the same validation cases.")
    if only and not allow_unmatched:
        raise CompareError(
            f"the arms have different cases: {'; '.join(only)}; {len(shared)} are shared. Validate both arms on "
            "the same cases, or leave the others out with --allow-unmatched."
        )
    return shared


def check_labels(records: Records, origin: Mapping[str, Path]) -> None:
    """Raise unless all cases of a run have the same labels."""
    first = next(iter(records))
    for case in records:
        _same_labels(records[first], records[case], (str(origin[first]), str(origin[case])))


def check_references(a: Records, b: Records, cases: Iterable[str], names: tuple[str, str]) -> None:
    """Raise unless two runs have the same labels, and each case as many voxels of each in its reference."""
    _same_labels(next(iter(a.values())), next(iter(b.values())), names)
    for case in cases:
        for label, counts in a[case].items():
            sizes = counts.in_reference, b[case][label].in_reference
            if sizes[0] != sizes[1]:
                raise CompareError(
                    f"the references differ: label {label} of case {case!r} has {sizes[0]} voxels in {names[0]} "
                    f"but {sizes[1]} in {names[1]}; expected the same reference. Evaluate both arms against it."
                )


def _same_labels(a: CaseRecord, b: CaseRecord, places: Sequence[str]) -> None:
    if a.keys() != b.keys():
        raise CompareError(
            f"the labels differ: {', '.join(a)} in {places[0]}, but {', '.join(b)} in {places[1]}; expected the same "
            "data set."
        )
