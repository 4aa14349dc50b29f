"""The two arms of a comparison: which files each has, by seed, and what can be said before scoring them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from rasd_nnu.compare import provenance
from rasd_nnu.compare.pairing import listing, match_cases
from rasd_nnu.compare.result import PairedStatistics, SeedMean
from rasd_nnu.errors import CompareError
from rasd_nnu.stats import unit_means

FloatArray = npt.NDArray[np.float64]
ArmSource = Path | Sequence[Path] | Mapping[int | None, Sequence[Path]]
Record = TypeVar("Record")


@dataclass(frozen=True)
class Arm(Generic[Record]):
    """One arm, read.

    Args:
        name: Its name.
        runs: Seed, or None for a single run -> case -> record; sorted by seed.
        paths: Seed -> files; each file is one training.
        origin: Seed -> case -> the file that it is from.
    """

    name: str
    runs: dict[int | None, dict[str, Record]]
    paths: dict[int | None, list[Path]]
    origin: dict[int | None, dict[str, Path]]

    @property
    def files(self) -> list[Path]:
        """All files, seed by seed."""
        return [path for paths in self.paths.values() for path in paths]

    def run_name(self, seed: int | None) -> str:
        """Return what to call a run in an error."""
        return self.name if seed is None else f"{self.name}, seed {seed}"


def read_arms(
    sources: tuple[ArmSource, ArmSource],
    names: tuple[str, str],
    pool: Callable[[Sequence[Path]], tuple[dict[str, Record], dict[str, Path]]],
) -> tuple[Arm[Record], Arm[Record]]:
    """Read both arms.

    Args:
        sources: One file, those of several folds, or seed -> those of its folds.
        names: Names of the arms.
        pool: Reads the files of one run; returns case -> record and case -> file.

    Raises:
        CompareError: If the arms have one name or a file in common, a file cannot be read, or a case is scored that
            the weights which its training began with had learned from.
    """
    if names[0] == names[1]:
        raise CompareError(f"both arms are named {names[0]!r}; give them names of their own")
    paths = [_by_seed(source) for source in sources]
    resolved = [{path.resolve() for files in of_arm.values() for path in files} for of_arm in paths]
    both = resolved[0] & resolved[1]
    if both:
        raise CompareError(f"both arms hold {listing(map(str, both))}; expected two different trainings")
    first, second = (_read_arm(name, of_arm, pool) for name, of_arm in zip(names, paths, strict=True))
    return first, second


def _read_arm(
    name: str,
    paths: dict[int | None, list[Path]],
    pool: Callable[[Sequence[Path]], tuple[dict[str, Record], dict[str, Path]]],
) -> Arm[Record]:
    runs: dict[int | None, dict[str, Record]] = {}
    origin: dict[int | None, dict[str, Path]] = {}
    for seed, files in paths.items():
        runs[seed], origin[seed] = pool(files)
        provenance.refuse_leaks(name, origin[seed])
    return Arm(name, runs, paths, origin)


def _by_seed(source: ArmSource) -> dict[int | None, list[Path]]:
    if isinstance(source, Mapping):
        return {seed: list(source[seed]) for seed in sorted(source, key=lambda s: -1 if s is None else s)}
    return {None: [source] if isinstance(source, Path) else list(source)}


def pool_files(
    paths: Sequence[Path], read: Callable[[Path], Mapping[str, Record]]
) -> tuple[dict[str, Record], dict[str, Path]]:
    """Read the files of several folds of one run; every case may occur once.

    Raises:
        CompareError: If a case is in two files.
    """
    pooled: dict[str, Record] = {}
    origin: dict[str, Path] = {}
    for path in paths:
        for case, record in read(path).items():
            if case in pooled:
                raise CompareError(
                    f"case {case!r} is in {origin[case]} and in {path}; expected every case in one fold only. "
                    "Give one run an arm; runs with several seeds are averaged a case with --seeds."
                )
            pooled[case], origin[case] = record, path
    return pooled, origin


def shared_cases(
    arms: tuple[Arm[Record], Arm[Record]],
    check: Callable[[Mapping[str, Record], Mapping[str, Record], Iterable[str], tuple[str, str]], None],
    allow_unmatched: bool,
) -> list[str]:
    """Return the cases that all runs of both arms share, sorted.

    Args:
        arms: The arms.
        check: Raises where the truth of the shared cases differs between two runs with these names.
        allow_unmatched: Leave out cases that not all runs have, instead of raising.
    """
    runs = [(arm.run_name(seed), records) for arm in arms for seed, records in arm.runs.items()]
    first_name, first = runs[0]
    shared = set(first)
    for name, records in runs[1:]:
        cases = match_cases(first.keys(), records.keys(), (first_name, name), allow_unmatched)
        check(first, records, cases, (first_name, name))
        shared &= set(cases)
    if not shared:
        raise CompareError(f"the {len(runs)} runs of {arms[0].name} and {arms[1].name} share no case")
    return sorted(shared)


def left_out(arm: Arm[Record], cases: Iterable[str]) -> list[str]:
    """Return the cases of an arm that are not among ``cases``."""
    return sorted({case for records in arm.runs.values() for case in records} - set(cases))


def is_crossed(arms: tuple[Arm[Record], Arm[Record]]) -> bool:
    """Tell whether both arms have the same two or more seeds."""
    seeds = arms[0].runs.keys()
    return seeds == arms[1].runs.keys() and len(seeds) > 1


def seed_means(
    arms: tuple[Arm[Record], Arm[Record]], scores: tuple[FloatArray, FloatArray], groups: Sequence[str] | None
) -> list[SeedMean]:
    """Return the mean score of each run, where the runs have seeds.

    Args:
        arms: The arms.
        scores: Score of each run and case, shape (seeds of the arm, cases).
        groups: Patient of each case.
    """
    found: list[dict[int | None, float]] = []
    for arm, values in zip(arms, scores, strict=True):
        keep = ~np.isnan(values[0])
        kept = None if groups is None else [g for g, k in zip(groups, keep, strict=True) if k]
        found.append({s: float(unit_means(row[keep], kept).mean()) for s, row in zip(arm.runs, values, strict=True)})
    numbers = sorted(seed for seed in found[0].keys() | found[1].keys() if seed is not None)
    return [SeedMean(seed, found[0].get(seed), found[1].get(seed)) for seed in numbers]


def warnings_of(
    arms: tuple[Arm[Record], Arm[Record]], overall: PairedStatistics, dropped: tuple[list[str], list[str]]
) -> list[str]:
    """Return what makes the comparison less trustworthy, one line each."""
    found = []
    for arm, cases in zip(arms, dropped, strict=True):
        found += provenance.warnings_of(arm.name, arm.files)
        if cases:
            found.append(f"left out because not all runs have them, but {arm.name} has: {listing(cases)}")
    if arms[0].runs.keys() != arms[1].runs.keys():
        found.append(f"the arms have different seeds: {', '.join(f'{arm.name} has {_seed_text(arm)}' for arm in arms)}")
    if overall.ties == overall.n_units:
        found.append("the arms have the same score in every case, as copies of one training would")
    if missing := provenance.recipe_unknown(arms[0].files, arms[1].files):
        what = "the recipes of the arms were" if missing == "plans.json" else "the settings of the trainers were"
        if missing == "plans.json" and provenance.recipe_reported(arms[0].files, arms[1].files):
            what = "the recipes of the arms were compared, but their plans were"
        found.append(f"{what} not compared: no {missing} beside the records")
    return found


def _seed_text(arm: Arm[Record]) -> str:
    return "one run without a seed" if None in arm.runs else f"seeds {', '.join(map(str, arm.runs))}"


def too_few(n_cases: int, n_counting: int, n_units: int, grouped: bool) -> CompareError:
    """Return the error for a comparison with fewer than two units."""
    unit = "patients (groups)" if grouped else "cases"
    return CompareError(
        f"n = {n_units}: {n_cases} cases are paired, of which the NaN rule keeps {n_counting}; a paired comparison "
        f"needs at least 2 {unit}, and 6 to be able to reach p < 0.05. Validate on more."
    )
