"""A study as a workflow of Snakemake: ``study.lock.json`` with all jobs, beside a Snakefile that reads it."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasd_nnu.errors import ConfigError
from rasd_nnu.files import write_text
from rasd_nnu.reading import read_json_object, read_yaml
from rasd_nnu.workflows.study.config import STUDY_FILE, StudyConfig, minutes
from rasd_nnu.workflows.study.draw import Draw, parse_draw
from rasd_nnu.workflows.study.jobs import RAW, Grid, Job

LOCK_FILE, SNAKEFILE = "study.lock.json", "Snakefile"
VERSION = 1
_DAYS = 7 * 1440
_MISSING = "Run the study first: rasd_nnu study run"


@dataclass(frozen=True)
class Lock:
    """What a study was when it was last run.

    Args:
        name: Name of the study.
        content: Digest of ``study.yaml``'s content.
        asked: Its content.
        jobs: ``stage/name`` -> the job as plain values.
        units: Its trainings, with their jobs.
        draws: Data set -> draws.
        attempts: Failures after which a job is given up.
        settings: Other values of the file.
    """

    name: str
    content: str
    asked: Mapping[str, Any]
    jobs: Mapping[str, Mapping[str, Any]]
    units: tuple[Mapping[str, Any], ...]
    draws: Mapping[str, tuple[Draw, ...]]
    attempts: int
    settings: Mapping[str, Any]


def read_lock(folder: Path) -> Lock | None:
    """Return what the study was when it was last run, None if it never was.

    Raises:
        ConfigError: If the file is damaged or of another version.
    """
    path = folder / LOCK_FILE
    if not path.is_file():
        return None
    content = read_json_object(path, ConfigError, "It is written by `rasd_nnu study run`: remove it and run again.")
    try:
        if content["version"] != VERSION:
            raise ConfigError(f"{path} has version {content['version']}, this program writes {VERSION}. Start anew.")
        draws = {name: tuple(map(parse_draw, texts)) for name, texts in content["draws"].items()}
        return Lock(
            str(content["name"]), str(content["content"]), dict(content["asked"]), dict(content["jobs"]),
            tuple(content["units"]), draws, int(content["attempts"]), content,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path} is damaged ({type(error).__name__}: {error}). It is written by `rasd_nnu study run`: remove it and"
            " run again."
        ) from None


def require_lock(folder: Path) -> Lock:
    """Return what the study was when it was last run.

    Raises:
        ConfigError: If it never was.
    """
    lock = read_lock(folder)
    if lock is None:
        raise ConfigError(f"{folder} has no {LOCK_FILE}: it was never run. {_MISSING} {folder}")
    return lock


def content_digest(folder: Path) -> str:
    """Return a digest of what ``study.yaml`` says; comments and layout do not count."""
    content = read_yaml(folder / STUDY_FILE)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_workflow(folder: Path, config: StudyConfig, grid: Grid, workers: int) -> None:
    """Write ``study.lock.json`` and the Snakefile."""
    machine = config.machine
    limited = machine.time_limit is not None
    gpu = int(machine.device == "cuda")
    content = {
        "version": VERSION,
        "name": config.name,
        "content": content_digest(folder),
        "asked": config.model_dump(mode="json"),
        "workers": workers,
        "threads": machine.threads,
        "attempts": machine.attempts,
        "retries": machine.attempts - 1,
        "resources": {
            "mem_mb": round(1024 * machine.memory_gb),
            "runtime": minutes(machine.time_limit) if machine.time_limit is not None else _DAYS,
            "gpu": gpu,
            "slurm_extra": f"--signal=USR1@{60 * minutes(machine.grace)}" if limited else "",
        },
        "variables": shared_variables(config),
        "draws": {name: [str(draw) for draw in draws] for name, draws in grid.draws.items()},
        "units": [{"job": unit.job, **unit.record.model_dump(mode="json")} for unit in grid.units],
        "jobs": {name: job.to_dict() for name, job in grid.jobs.items()},
    }
    write_text(folder / LOCK_FILE, json.dumps(content, indent=1) + "\n")
    text = importlib.resources.files(__package__).joinpath(SNAKEFILE).read_text(encoding="utf-8")
    write_text(folder / SNAKEFILE, text)


def shared_variables(config: StudyConfig) -> dict[str, str]:
    """Return the environment variables of all jobs; their paths are relative to the study's folder, which may move."""
    variables = {
        "nnUNet_raw": RAW,
        "nnUNet_preprocessed": "nnUNet_preprocessed",
        "nnUNet_results": "nnUNet_results",
        "nnUNet_def_n_proc": str(config.machine.threads),
    }
    if config.machine.device == "cpu":
        # As `rasd_nnu.pretrain.hardware.keep_freed_memory`, for nnU-Net's processes.
        kept = {"MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_MMAP_THRESHOLD_": str(2**31 - 1)}
        variables |= {"nnUNet_compile": "f", **kept}
    return variables


def changes(lock: Lock | None, config: StudyConfig) -> list[str]:
    """Return what ``study.yaml`` says differently from the last run, ``key: before -> now``."""
    if lock is None:
        return []
    return list(_differences(dict(lock.asked), config.model_dump(mode="json"), ""))


def _differences(a: Any, b: Any, key: str) -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for name in dict.fromkeys([*a, *b]):
            yield from _differences(a.get(name), b.get(name), f"{key}.{name}" if key else str(name))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for number, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from _differences(one, other, f"{key}.{number}")
    elif a != b:
        yield f"{key}: {json.dumps(a)} -> {json.dumps(b)}"


def receipt_path(folder: Path, job: str) -> Path:
    """Return the file that says that a job is done."""
    return folder / "done" / f"{job}.json"


def read_receipt(folder: Path, job: str) -> dict[str, Any] | None:
    """Return what the receipt of a job says; None if there is none, or none that can be read."""
    path = receipt_path(folder, job)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def why_not_done(folder: Path, job: Mapping[str, Any] | Job) -> str | None:
    """Return why a job has to be run, None if it is done and as it is asked for now."""
    plain = job.to_dict() if isinstance(job, Job) else job
    name = f"{plain['stage']}/{plain['name']}"
    receipt = read_receipt(folder, name)
    if receipt is None:
        return "is not done"
    if receipt.get("stamp") != plain["stamp"]:
        return "was done otherwise than it is asked for now"
    missing = [path for path in plain["products"] if not (folder / path).exists()]
    dropped = receipt.get("dropped", ())
    if missing and missing[0] not in dropped:
        return f"lacks its product {missing[0]}"
    return None
