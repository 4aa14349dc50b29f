"""Run a study: check, say what will be done and why, and hand it to Snakemake."""

from __future__ import annotations

import importlib.metadata
import os
import re
import signal
import subprocess
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rasd_nnu.errors import ConfigError, SetupError
from rasd_nnu.locks import exclusive
from rasd_nnu.nnunet.env import require_nnunet
from rasd_nnu.workflows.study.config import STUDY_FILE, StudyConfig, read_config
from rasd_nnu.workflows.study.grid import build_grid
from rasd_nnu.workflows.study.jobs import ENDINGS, STAGES, Grid
from rasd_nnu.workflows.study.launch import RUN_VARIABLE
from rasd_nnu.workflows.study.recipe import check_recipes
from rasd_nnu.workflows.study.tasks import (
    ResolvedTask,
    check_draws,
    check_kinds,
    check_sources,
    resolve,
)
from rasd_nnu.workflows.study.workflow import Lock, changes, read_lock, receipt_path, why_not_done, write_workflow

ENGINE, OLDEST_ENGINE = "snakemake", 8
_SHOWN = 8

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Planned:
    """A study that was read and looked at.

    Args:
        folder: Its folder.
        config: What it says.
        tasks: Its data sets.
        grid: Its jobs.
        lock: What it was when it was last run.
    """

    folder: Path
    config: StudyConfig
    tasks: tuple[ResolvedTask, ...]
    grid: Grid
    lock: Lock | None


def plan_study(folder: Path) -> Planned:
    """Read a study and build its jobs, without writing anything.

    Raises:
        ConfigError: If ``study.yaml`` is wrong, or the folder is that of another study.
        UserError: If a task is unknown.
    """
    config = read_config(folder)
    check_recipes(config, folder)
    lock = read_lock(folder)
    if lock is not None and lock.name != config.name:
        raise ConfigError(
            f"{folder} holds the study {lock.name!r}, but {STUDY_FILE} is of {config.name!r}: a folder holds one study."
            f" Restore {STUDY_FILE}, or take another folder."
        )
    tasks = tuple(resolve(config, folder))
    check_kinds(config, tasks)
    grid = build_grid(config, tasks, lock.draws if lock is not None else {})
    return Planned(folder, config, tasks, grid, lock)


def check_study(planned: Planned) -> None:
    """Look at the data before anything starts.

    Raises:
        UserError: If a source lacks files, or a fold has too few cases.
    """
    check_sources(planned.tasks, planned.folder)
    for task in planned.tasks:
        check_draws(task, planned.grid.draws[task.dataset], planned.config.validation_cases, planned.folder)


def require_engine() -> str:
    """Return the version of Snakemake.

    Raises:
        SetupError: If it is missing or too old.
    """
    try:
        version = importlib.metadata.version(ENGINE)
    except importlib.metadata.PackageNotFoundError:
        raise SetupError("Snakemake, which runs studies, is not installed: pip install 'rasd-nnu[study]'") from None
    if int(re.match(r"\d+", version)[0]) < OLDEST_ENGINE:  # type: ignore[index]
        raise SetupError(
            f"snakemake {version} is installed, expected {OLDEST_ENGINE} or newer: pip install -U 'rasd-nnu[study]'"
        )
    return version


def to_do(planned: Planned) -> dict[str, str]:
    """Return ``stage/name`` -> why, of all jobs that have to be run."""
    jobs = planned.grid.jobs
    reasons: dict[str, str] = {}
    for name, job in jobs.items():
        reason = why_not_done(planned.folder, job)
        again = next((other for other in job.after if other in reasons), None)
        if reason is not None:
            reasons[name] = reason
        elif again is not None and job.stage in ENDINGS:
            reasons[name] = f"comes after {again}, which is run again"
    if "checkpoints" in planned.config.drop:  # a pre-training whose checkpoint was dropped is done for all that use it
        needed = {other for name in reasons for other in jobs[name].after}
        for name in [n for n, reason in reasons.items() if jobs[n].stage == "pretrain" and reason.startswith("lacks")]:
            if name not in needed:
                del reasons[name]
    return reasons


def tell_plan(planned: Planned, reasons: Mapping[str, str], tell: Tell) -> None:
    """Say what is done, what will be done, and why something is done again."""
    for line in changes(planned.lock, planned.config):
        tell(f"changed since the last run: {line}")
    for stage in STAGES:
        names = [name for name, job in planned.grid.jobs.items() if job.stage == stage]
        missing = [name for name in names if name in reasons]
        if names:
            tell(f"{stage:9} {len(names):5} jobs, {len(names) - len(missing)} done, {len(missing)} to do")
    again = {name: reason for name, reason in reasons.items() if reason != "is not done"}
    for reason, count in Counter(again.values()).most_common(_SHOWN):
        example = next(name for name, own in again.items() if own == reason)
        tell(f"again: {example}{f' and {count - 1} more' if count > 1 else ''}: {reason}")


def run_study(
    planned: Planned, *, cores: int, gpus: int, dry_run: bool, profile: str | None, more: Sequence[str], tell: Tell
) -> int:
    """Run what is missing or changed; return Snakemake's exit code.

    Args:
        planned: The study, looked at with `check_study`.
        cores: Cores of this machine.
        gpus: GPUs of this machine: so many jobs at a time need one.
        dry_run: Say what would be run.
        profile: Snakemake's profile, for clusters.
        more: Further arguments of Snakemake.
        tell: Is told what happens.

    Raises:
        LockError: If the study is being run already.
        SetupError: If Snakemake is missing or too old.
    """
    require_nnunet()
    require_engine()
    with exclusive(planned.folder):
        reasons = to_do(planned)
        tell_plan(planned, reasons, tell)
        if not reasons:
            tell("everything is done")
            return 0
        if dry_run:
            return 0
        write_workflow(planned.folder, planned.config, planned.grid, cores)
        for name in reasons:
            receipt_path(planned.folder, name).unlink(missing_ok=True)
        return _snakemake(planned, cores, gpus, profile, more)


def engine_command(planned: Planned, cores: int, gpus: int, profile: str | None, more: Sequence[str]) -> list[str]:
    """Return the command line of Snakemake."""
    command = ["snakemake", "--directory", ".", "--keep-going", "--rerun-incomplete", "--rerun-triggers", "mtime"]
    command += ["--nolock", "--quiet", "host"]  # the lock of the folder is ours, and ends with the process
    if profile is not None:
        command += ["--profile", profile]
    if profile is None or not any(word in more for word in ("--jobs", "-j", "--executor")):
        command += ["--cores", str(cores)]
    if planned.config.machine.device == "cuda" and profile is None:
        command += ["--resources", f"gpu={gpus}"]
    return [*command, *more]


def _snakemake(planned: Planned, cores: int, gpus: int, profile: str | None, more: Sequence[str]) -> int:
    """Run Snakemake in the study's folder; a signal that ends this process reaches it, too."""
    scripts = sysconfig.get_path("scripts")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)]),
        RUN_VARIABLE: time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    command = engine_command(planned, cores, gpus, profile, more)
    program = str(Path(scripts) / command[0])
    with subprocess.Popen([program, *command[1:]], cwd=planned.folder, env=environment) as process:
        before = signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
        try:
            return process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
