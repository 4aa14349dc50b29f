"""Run what is missing of a plan of experiments.

    RASD_DATA=... python benchmarks/screen/run.py PLAN [--cache DIR] [--limit N] [--list]

A plan is a name in plans.py: a list of trainings in the order in which they are wanted. Several workers may run side by
side. The records go to benchmarks/results/screen; killed and called again, a worker goes on with what is missing.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import arms
import plans
import torch
from loop import run
from recipe import Job
from store import Claims, Store

RESULTS = Path(__file__).parent.parent / "results" / "screen"


def next_job(jobs: list[Job], store: Store, claims: Claims) -> tuple[Job, int] | None:
    """Return the first job that nobody has run or is at, with its claim."""
    done = store.keys()
    for job in jobs:
        if job.key in done:
            continue
        handle = claims.take(job.key)
        if handle is None:
            continue
        done = store.keys()
        if job.key not in done:
            return job, handle
        os.close(handle)  # another worker has finished it since
    return None


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", help="a name in plans.py")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "rasd_screen")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--limit", type=int, help="stop after so many trainings")
    parser.add_argument("--last-first", action="store_true", help="for a slow worker beside a fast one")
    parser.add_argument("--list", action="store_true", help="only say what is missing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    store, claims = Store(arguments.results), Claims(arguments.cache / "claims")
    if arguments.list:
        jobs, done = plans.jobs(arguments.plan), store.keys()
        print(f"{sum(job.key not in done for job in jobs)} of {len(jobs)} trainings are missing")
        return
    trained = 0
    while arguments.limit is None or trained < arguments.limit:
        importlib.reload(arms)  # plans may be reordered while a worker is at them
        jobs = importlib.reload(plans).jobs(arguments.plan)
        found = next_job(jobs[::-1] if arguments.last_first else jobs, store, claims)
        if found is None:
            return
        job, handle = found
        record = run(job, arguments.cache)
        store.add(record)
        os.close(handle)
        trained += 1
        inner = "" if job.inner is None else f" inner {job.inner}"
        print(
            f"{time.strftime('%H:%M:%S')} {job.task} n={job.labelled} seed {job.seed}{inner} {job.arm.name} "
            f"{job.recipe.steps}: {100 * record['dice']:.1f} {record['collapsed'] or ''} {record['seconds']}",
            flush=True,
        )


if __name__ == "__main__":
    main()
