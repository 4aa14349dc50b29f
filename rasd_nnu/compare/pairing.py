"""Bring the runs of an arm together, and pair the cases of two arms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rasd_nnu.compare.records import CaseRecord, read_summary
from rasd_nnu.errors import CompareError

Records = dict[str, CaseRecord]  # case -> record
_LISTED = 10


def listing(names: Iterable[str]) -> str:
    """Return the names, comma separated; of a long list the first few and the total."""
    names = sorted(names)
    rest = f", ... ({len(names)} in all)" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + rest


def pool_folds(paths: Sequence[Path]) -> Records:
    """Read the summaries of several folds of one run; every case may occur once.

    Raises:
        CompareError: If a case is in two folds, the labels differ, or a file is not a summary.
    """
    pooled: Records = {}
    origin: dict[str, Path] = {}
    for path in paths:
        for case, record in read_summary(path).items():
            if case in pooled:
                raise CompareError(
                    f"case {case!r} is in {origin[case]} and in {path}; expected every case in one fold only. "
                    "Give one run an arm; runs with several seeds are averaged a case with --seeds."
                )
            pooled[case], origin[case] = record, path
    _check_labels(pooled, {case: str(path) for case, path in origin.items()})
    return pooled


def _check_labels(records: Records, origin: Mapping[str, str]) -> None:
    """Raise unless all cases have the same labels."""
    cases = iter(records)
    first = next(cases)
    for case in cases:
        if records[case].keys() != records[first].keys():
            raise CompareError(
                f"the labels differ: {', '.join(records[first])} in {origin[first]}, but "
                f"{', '.join(records[case])} in {origin[case]}; expected the same data set."
            )


def common_cases(a: Records, b: Records, names: tuple[str, str], allow_unmatched: bool = False) -> list[str]:
    """Return the cases that two runs share, sorted, after checking that the runs can be paired.

    Args:
        a: Records of the one run.
        b: Records of the other run.
        names: What to call the runs in an error.
        allow_unmatched: Leave out cases that only one run has, instead of raising.

    Raises:
        CompareError: If the labels differ, no case is shared, cases do not match, or their references differ.
    """
    _check_labels({"a": next(iter(a.values())), "b": next(iter(b.values()))}, {"a": names[0], "b": names[1]})
    shared = sorted(a.keys() & b.keys())
    only = [f"only in {n}: {listing(c)}" for n, c in zip(names, unmatched(a, b), strict=True) if c]
    if not shared:
        raise CompareError(f"the arms share no case; {'; '.join(only)}. Compare the same validation cases.")
    if only and not allow_unmatched:
        raise CompareError(
            f"the arms have different cases: {'; '.join(only)}; {len(shared)} are shared. Validate both arms on "
            "the same cases, or leave the others out with --allow-unmatched."
        )
    for case in shared:
        for label, counts in a[case].items():
            sizes = counts.in_reference, b[case][label].in_reference
            if sizes[0] != sizes[1]:
                raise CompareError(
                    f"the references differ: label {label} of case {case!r} has {sizes[0]} voxels in {names[0]} "
                    f"but {sizes[1]} in {names[1]}; expected the same reference. Evaluate both arms against it."
                )
    return shared


def unmatched(a: Records, b: Records) -> tuple[list[str], list[str]]:
    """Return the cases that only ``a`` has and those that only ``b`` has, each sorted."""
    return sorted(a.keys() - b.keys()), sorted(b.keys() - a.keys())
