"""What the jobs of a study leave about their attempts: one small file a job, and its log."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rasd_nnu.errors import LockError
from rasd_nnu.files import write_text
from rasd_nnu.locks import exclusive

_TAIL_BYTES = 4096
_SIGNALLED = 128


@dataclass(frozen=True)
class Attempt:
    """One run of a job's command.

    Args:
        begin: When, in seconds since 1970.
        host: On which machine.
        run: Of which run of the study.
        end: When it ended; None while it runs, or if it was killed.
        code: Exit code, 128 and the number of a signal if one stopped it; None as ``end``.
    """

    begin: float
    host: str
    run: str
    end: float | None = None
    code: int | None = None

    @property
    def failed(self) -> bool:
        """Whether it ended by itself, and badly: stopped and killed jobs did nothing wrong."""
        return self.code is not None and 0 < self.code < _SIGNALLED


@dataclass(frozen=True)
class JobState:
    """What is known about a job's attempts.

    Args:
        stamp: What was asked for.
        attempts: All attempts at this.
    """

    stamp: str
    attempts: tuple[Attempt, ...] = field(default=())

    def failures(self, run: str) -> int:
        """Return how many attempts of a run of the study failed."""
        return sum(attempt.failed and attempt.run == run for attempt in self.attempts)

    @property
    def seconds(self) -> float:
        """Time of all attempts whose end is known."""
        return sum(a.end - a.begin for a in self.attempts if a.end is not None)


def state_path(folder: Path, job: str) -> Path:
    """Return the file with the attempts of a job."""
    return folder / "state" / f"{job}.json"


def log_path(folder: Path, job: str) -> Path:
    """Return the log of a job."""
    return folder / "logs" / f"{job}.log"


def read_state(folder: Path, job: str) -> JobState | None:
    """Return what is known about a job's attempts; None if it never ran, or nothing can be read."""
    path = state_path(folder, job)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return JobState(str(content["stamp"]), tuple(Attempt(**attempt) for attempt in content["attempts"]))
    except (ValueError, KeyError, TypeError):
        return None


def write_state(folder: Path, job: str, state: JobState) -> None:
    """Write a job's attempts."""
    write_text(state_path(folder, job), json.dumps(asdict(state), indent=1) + "\n")


def is_running(folder: Path, job: str) -> bool:
    """Tell whether a process holds the lock of a job, on any machine that shares the folder."""
    path = state_path(folder, job)
    if not path.with_name(f".{path.name}.lock").exists():
        return False
    try:
        with exclusive(path):
            return False
    except LockError:
        return True


def last_line(log: Path) -> str:
    """Return the last line of a log that says something since the last start; of a progress bar what it showed last."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = file.read().decode("utf-8", errors="replace")
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    for line in reversed(lines):
        if line.startswith("== ") and not line.startswith("== exit "):
            break  # where the last attempt begins
        if line and not line.startswith("== "):
            return line
    return ""
