"""Run a study of small jobs in a process of its own: ``driver.py FOLDER JOBS.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rasd_nnu.errors import UserError
from rasd_nnu.workflows.study.config import read_config
from rasd_nnu.workflows.study.jobs import Grid, Job
from rasd_nnu.workflows.study.run import Planned, run_study
from rasd_nnu.workflows.study.workflow import read_lock


def main() -> int:
    """Run; exit as `rasd_nnu study run` does."""
    folder = Path(sys.argv[1])
    jobs = [
        Job(entry["stage"], entry["name"], tuple(entry["command"]), {}, tuple(entry["after"]), tuple(entry["products"]))
        for entry in json.loads(Path(sys.argv[2]).read_text())
    ]
    grid = Grid({job.id: job for job in jobs}, (), {})
    planned = Planned(folder, read_config(folder), (), grid, read_lock(folder))
    try:
        return run_study(planned, cores=2, gpus=1, dry_run=False, profile=None, more=[], tell=print)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
