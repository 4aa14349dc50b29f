"""Let SLURM start a job again that saved before its time limit: going on is no retry, which a failure would be."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

#: Exit code of a job that SLURM told that its time is nearly over.
OUT_OF_TIME = 128 + signal.SIGUSR1


def saved_since(folder: Path, owned: Sequence[str], begin: float) -> bool:
    """Tell whether an attempt that began then has written a checkpoint among the files that its job owns."""
    places = [folder / name for name in owned]
    files = [file for place in places for file in (place.rglob("*.pth") if place.is_dir() else [place])]
    return any(file.suffix == ".pth" and file.is_file() and file.stat().st_mtime >= begin for file in files)


def requeue(log: TextIO) -> None:
    """Put this process's SLURM job back into the queue, which ends it; without SLURM do nothing.

    A cluster may refuse it: the job then ends as one that did not get to its end, and the engine starts it again, as
    often as the study has attempts.
    """
    number = os.environ.get("SLURM_JOB_ID")
    if number is None:
        return
    log.write(f"saved before the time limit: job {number} goes back into the queue\n")
    log.flush()
    done = subprocess.run(["scontrol", "requeue", number], capture_output=True, text=True, check=False)
    if done.returncode:
        log.write(f"`scontrol requeue {number}` failed: {done.stderr.strip()}\n")
