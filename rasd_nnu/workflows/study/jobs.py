"""The jobs of a study: each one an ordinary command, with what it needs and what it makes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rasd_nnu.nnunet.commands import shown
from rasd_nnu.records.study import StudyUnit
from rasd_nnu.workflows.study.draw import Draw

Stage = Literal["prepare", "plan", "split", "pretrain", "finetune", "collect", "compare", "report"]
STAGES: tuple[Stage, ...] = ("prepare", "plan", "split", "pretrain", "finetune", "collect", "compare", "report")
#: Stages that only look at what others made.
ENDINGS: tuple[Stage, ...] = ("collect", "compare", "report")

RAW, PREPROCESSED, RESULTS, CHECKPOINTS = "nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "checkpoints"
_DIGEST = 16


@dataclass(frozen=True)
class Job:
    """A command of a study.

    Args:
        stage: Its stage.
        name: Its name, once in the stage.
        command: Program and arguments; paths are relative to the study.
        variables: Environment variables that decide its result.
        after: ``stage/name`` of the jobs whose products it uses.
        products: Files that are there when it is done.
        owns: Files and folders that nobody else writes to; removed when the job is to be run with another request.
        drop: Patterns of files that are dropped when it is done.
        work: What it has to do, for the estimate: ``steps``, ``configuration``, ``compact``.
        upstream: Stamps of jobs that it builds on.
        request: What decides its result besides variables and upstream; None for the command.
    """

    stage: Stage
    name: str
    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    owns: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    work: Mapping[str, Any] = field(default_factory=dict)
    upstream: tuple[str, ...] = ()
    request: tuple[str, ...] | None = None

    @property
    def id(self) -> str:
        """``stage/name``."""
        return f"{self.stage}/{self.name}"

    @property
    def stamp(self) -> str:
        """Digest of all that decides the result."""
        request = self.command if self.request is None else self.request
        content = [self.stage, request, dict(self.variables), self.upstream]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_DIGEST]

    @property
    def line(self) -> str:
        """The command as a person would type it in the study's folder, or another program takes it."""
        variables = [f"{name}={value}" for name, value in self.variables.items()]
        return shown([*(["env", *variables] if variables else []), *self.command])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, with the stamp and the line."""
        plain = {**asdict(self), "variables": dict(self.variables), "work": dict(self.work)}
        return {**plain, "stamp": self.stamp, "line": self.line}


@dataclass(frozen=True)
class Unit:
    """A training of the study, as it will be compared.

    Args:
        record: What `compare --study` reads.
        job: ``finetune/name``.
    """

    record: StudyUnit
    job: str


@dataclass(frozen=True)
class Grid:
    """All jobs of a study, and its trainings.

    Args:
        jobs: ``stage/name`` -> job, in the order in which they can run.
        units: Its trainings.
        draws: Data set -> its draws, in the order of nnU-Net's folds.
    """

    jobs: Mapping[str, Job]
    units: tuple[Unit, ...]
    draws: Mapping[str, tuple[Draw, ...]]
