"""Convert cases in several processes, with few of them in memory at a time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.source import SourceCase
from rasd_nnu.dataset_specs.write_case import WriteError, write_case
from rasd_nnu.errors import DatasetError

WAITING_PER_WORKER = 2


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Args:
        case: Identifier.
        problem: Why it could not be converted; empty where it was.
        result: What `write_case` returned.
    """

    case: str
    problem: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)


def convert_all(
    spec: DatasetSpec, cases: Sequence[SourceCase], folder: Path, sides: Mapping[str, str], workers: int
) -> Iterator[Outcome]:
    """Convert cases, each whole or not at all.

    Args:
        spec: The task.
        cases: Cases; those with the same image best follow each other.
        folder: Data set to write into.
        sides: Case -> ``train``, ``valid`` or ``test``.
        workers: Processes; with 1 the work is done in this one.

    Yields:
        One outcome a case, in the order in which they are done.

    Raises:
        WriteError: The target cannot be written; the cases that are done stay.
    """
    ordered = sorted(cases, key=lambda case: (str(case.images[0].path), case.case))
    if workers <= 1 or len(ordered) <= 1:
        for case in ordered:
            yield _attempt(spec, case, folder, sides[case.case])
        return
    # A fresh process for each worker: forked ones can hang in libraries that have threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(ordered)), mp_context=context) as pool:
        waiting: set[Future[Outcome]] = set()
        try:
            for case in ordered:
                waiting.add(pool.submit(_attempt, spec, case, folder, sides[case.case]))
                if len(waiting) >= workers * WAITING_PER_WORKER:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            for future in waiting:
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _attempt(spec: DatasetSpec, case: SourceCase, folder: Path, side: str) -> Outcome:
    try:
        return Outcome(case.case, result=write_case(spec, case, folder, side))
    except WriteError:
        raise
    except DatasetError as error:
        return Outcome(case.case, problem=str(error))
