"""How a study stands: what is done, running and failed, and how long the rest takes."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rasd_nnu.workflows.study.config import STUDY_FILE
from rasd_nnu.workflows.study.jobs import STAGES
from rasd_nnu.workflows.study.state import is_running, last_line, log_path, read_state
from rasd_nnu.workflows.study.workflow import content_digest, read_receipt, require_lock, why_not_done

Kind = Literal["done", "running", "failed", "stopped", "waiting"]
KINDS: tuple[Kind, ...] = ("done", "running", "failed", "stopped", "waiting")
_SHOWN = 20
_LINE = 160


@dataclass(frozen=True)
class JobStatus:
    """How a job stands.

    Args:
        job: ``stage/name``.
        kind: ``failed`` ended badly by itself, ``stopped`` was ended or killed from outside and goes on.
        seconds: Time spent so far, as far as it is known.
        failures: Attempts that failed.
        line: Last line of its log, of one that runs, failed or was stopped.
    """

    job: str
    kind: Kind
    seconds: float
    failures: int = 0
    line: str = ""


@dataclass(frozen=True)
class StudyStatus:
    """How a study stands.

    Args:
        name: Its name.
        jobs: All jobs.
        seconds_left: Time of all jobs that are not done, one after another; None where nothing like them is done yet.
        changed: Whether ``study.yaml`` says something else than when the study was last run.
    """

    name: str
    jobs: tuple[JobStatus, ...]
    seconds_left: float | None
    changed: bool

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs stand how."""
        found = Counter(job.kind for job in self.jobs)
        return {kind: found[kind] for kind in KINDS}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "counts": self.counts}

    def lines(self) -> Iterator[str]:
        """Yield what a person reads."""
        yield f"{self.name}: " + ", ".join(f"{count} {kind}" for kind, count in self.counts.items())
        if self.changed:
            yield f"{STUDY_FILE} has changed since the study was last run"
        for stage in STAGES:
            own = Counter(job.kind for job in self.jobs if job.job.startswith(f"{stage}/"))
            if own:
                yield f"  {stage:9} " + ", ".join(f"{own[kind]} {kind}" for kind in KINDS if own[kind])
        for kind in ("running", "failed", "stopped"):
            named = [job for job in self.jobs if job.kind == kind]
            for job in named[:_SHOWN]:
                times = f" {job.failures} times" if job.failures > 1 else ""
                yield f"{kind}{times}: {job.job} ({_time(job.seconds)}): {job.line[:_LINE]}"
            if len(named) > _SHOWN:
                yield f"{kind}: and {len(named) - _SHOWN} more"
        running = max(1, self.counts["running"])
        if self.seconds_left is None:
            yield "time left: not known before a training is done"
        elif self.counts["done"] < len(self.jobs):
            at_once = "one job at a time" if running == 1 else f"{running} jobs at a time"
            yield f"time left: about {_time(self.seconds_left / running)} with {at_once}"


def study_status(folder: Path) -> StudyStatus:
    """Look at the folder of a study that was run.

    Raises:
        ConfigError: If it never was.
    """
    lock = require_lock(folder)
    jobs = tuple(_status(folder, name, job) for name, job in lock.jobs.items())
    changed = content_digest(folder) != lock.content
    return StudyStatus(lock.name, jobs, _seconds_left(jobs, lock.jobs), changed)


def _status(folder: Path, name: str, job: Mapping[str, Any]) -> JobStatus:
    if why_not_done(folder, job) is None:
        return JobStatus(name, "done", float((read_receipt(folder, name) or {}).get("seconds", 0)))
    state = read_state(folder, name)
    if state is None or state.stamp != job["stamp"]:
        return JobStatus(name, "waiting", 0.0)
    last, line = state.attempts[-1], last_line(log_path(folder, name))
    failures = sum(attempt.failed for attempt in state.attempts if attempt.run == last.run)
    if is_running(folder, name):
        return JobStatus(name, "running", state.seconds + time.time() - last.begin, failures, line)
    return JobStatus(name, "failed" if last.failed else "stopped", state.seconds, failures, line)


def _seconds_left(jobs: tuple[JobStatus, ...], planned: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return the time of what is not done, from what like it took: the same stage and configuration, by its steps."""
    rates: dict[tuple[str, Any], list[float]] = {}
    for job in jobs:
        if job.kind == "done" and job.seconds > 0:
            rates.setdefault(_like(planned[job.job]), []).append(job.seconds / _size(planned[job.job]))
    of_stage: dict[str, list[float]] = {}
    for (stage, _), found in rates.items():
        of_stage.setdefault(stage, []).extend(found)
    left = 0.0
    for job in jobs:
        if job.kind == "done":
            continue
        stage, like = planned[job.job]["stage"], _like(planned[job.job])
        known = rates.get(like) or of_stage.get(stage)
        if known is None:
            if stage in ("pretrain", "finetune"):
                return None
            continue
        expected = statistics.median(known) * _size(planned[job.job])
        left += max(0.0, expected - job.seconds)
    return left


def _like(job: Mapping[str, Any]) -> tuple[str, Any]:
    return str(job["stage"]), job["work"].get("configuration")


def _size(job: Mapping[str, Any]) -> float:
    return float(job["work"].get("steps") or 1)


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
