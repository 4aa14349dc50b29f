"""What a study is: the schema of ``study.yaml``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rasd_nnu.errors import ConfigError, did_you_mean, first_problem
from rasd_nnu.nnunet.trainer_names import ARM_NAME
from rasd_nnu.reading import read_yaml

STUDY_FILE = "study.yaml"
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_BUDGET = re.compile(r"([1-9][0-9]{0,6})x([1-9][0-9]{0,6})")
_HOURS = re.compile(r"([1-9][0-9]{0,5})(m|h|d)")
_MINUTES = {"m": 1, "h": 60, "d": 1440}

Count = Annotated[int, Field(ge=1, le=10**9)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Name = Annotated[str, Field(pattern=_NAME)]
#: What is dropped when nothing needs it any more.
Drop = Literal["checkpoints", "predictions"]


class Model(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Compact(Model):
    """A narrow twin of each planned network, for machines without a GPU.

    Args:
        features: Features of the first stage.
        batch_size: Batch size.
    """

    features: Annotated[int, Field(ge=1, le=320)] = 8
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 4


class StudyTask(Model):
    """A data set.

    Args:
        task: Key of a dataset spec, or id or full name of a data set in ``nnUNet_raw``.
        source: Unpacked official release; else it is looked for under ``RASD_DATA``, then downloaded.
        configurations: Planned configurations; by default 2d or 3d_fullres, as the spec's images are.
        split: ``default`` (by patient) or ``paper``.
        compact: Train narrow twins of the planned networks.
    """

    task: Annotated[str, Field(min_length=1, max_length=200)]
    source: Path | None = None
    configurations: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    split: Literal["default", "paper"] = "default"
    compact: Compact | None = None

    @field_validator("task", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Pretraining(Model):
    """Options of ``rasd_nnu pretrain``, by its names; what is not given is left to the command."""

    maps: Literal["fields", "cases", "mixed"] = "fields"
    iterations: Count | None = None
    budget: Annotated[str, Field(pattern=_HOURS.pattern)] | None = None
    recipe: Literal["default", "paper"] | None = None
    preset: Literal["default", "paper", "released"] | None = None
    classes: Annotated[str, Field(pattern=r"^\d+(-\d+)?$")] | None = None
    set: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()
    batch_size: Count | None = None
    lr: Annotated[float, Field(gt=0)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    schedule: Literal["cosine", "constant"] | None = None
    warmup: Annotated[float, Field(ge=0)] | None = None
    clip: Annotated[float, Field(gt=0)] | None = None
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    objective: Literal["prototypes", "contrastive"] | None = None
    temperature: Annotated[float, Field(gt=0)] | None = None
    normalize: bool | None = None
    seed: Seed | None = None
    save_every: Count | None = None

    @field_validator("classes", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Arm(Model):
    """How a training starts and what it is given.

    Args:
        start: ``rasd`` (a checkpoint that the study pre-trains), ``scratch``, or the name of registered weights.
        mix: Mix new appearances into the batches, as a kind (``curve``) or settings.
        compute: ``same`` steps of fine-tuning as all arms; ``total``: those of the pre-training are added.
        pretrain: Changes of the study's ``pretrain``; of the arm ``rasd``, or, with ``compute: total``, what is added.
        finetune: Changes of the study's ``finetune``.
    """

    start: Annotated[str, Field(pattern=f"^{ARM_NAME}$", max_length=64)]
    mix: Annotated[str, Field(min_length=1, max_length=200)] | dict[str, Any] | None = None
    compute: Literal["same", "total"] = "same"
    pretrain: dict[str, Any] = {}
    finetune: dict[str, Any] = {}


class Machine(Model):
    """Where and how jobs run.

    Args:
        device: ``cuda`` or ``cpu``.
        threads: CPU cores of a job.
        augmentation: Processes that augment ahead; 0 augments in the training itself, which makes seeded trainings
            exact. By default 0 on a CPU, and nnU-Net's own number on a GPU.
        memory_gb: Memory of a job, for schedulers that ask for it.
        time_limit: Longest time of one job, as 24h: a training that needs longer goes on in the next job.
        grace: Time before the limit at which SLURM sends SIGUSR1, as 5m: a training then saves and stops.
        attempts: A job that fails so many times is given up.
    """

    device: Literal["cuda", "cpu"] = "cuda"
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    augmentation: Annotated[int, Field(ge=0, le=1024)] | None = None
    memory_gb: Annotated[float, Field(gt=0, le=10**5)] = 16
    time_limit: Annotated[str, Field(pattern=f"^{_HOURS.pattern}$")] | None = None
    grace: Annotated[str, Field(pattern=f"^{_HOURS.pattern}$")] = "5m"
    attempts: Annotated[int, Field(ge=1, le=100)] = 3


class StudyConfig(Model):
    """A study.

    Args:
        name: Its name; a folder holds one study.
        tasks: Data sets.
        arms: Name -> arm.
        control: The arm that the others are compared with.
        seeds: Of labelled cases, weights and batches.
        folds: Folds of each data set's split by patient.
        labelled: Numbers of labelled cases, drawn from a fold's training cases by patient, nested; ``all`` for all.
        validation_cases: Judge on so many of a fold's validation cases, drawn by patient, instead of all.
        budgets: Lengths of the fine-tuning, as EPOCHSxITERATIONS; in classification the iterations do not count.
        plans: nnU-Net's plans: ``nnUNetPlans`` or ``nnUNetResEncUNet[M|L|XL]Plans``.
        pretrain: Of all arms that start from rasd.
        finetune: Options of the recipe, of all arms: ``optimizer``, ``lr``, ``warmup`` and so on.
        machine: Where jobs run.
        drop: What is dropped when nothing needs it any more.
        step_seconds: Seconds of an optimiser step that were measured where the study will run, by configuration
            (``2d``, ``3d_fullres``), for the estimate.
    """

    name: Name
    tasks: Annotated[tuple[StudyTask, ...], Field(min_length=1, max_length=1000)]
    arms: Annotated[dict[Name, Arm], Field(min_length=1, max_length=100)]
    control: str = "scratch"
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)] = (0,)
    folds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=100)] = (0,)
    labelled: Annotated[tuple[Count | Literal["all"], ...], Field(min_length=1, max_length=100)] = ("all",)
    validation_cases: Count | None = None
    budgets: Annotated[tuple[Annotated[str, Field(pattern=f"^{_BUDGET.pattern}$")], ...], Field(min_length=1)] = (
        "1000x250",
    )
    plans: Annotated[str, Field(pattern=r"^nnUNet(ResEncUNet(M|L|XL))?Plans$")] = "nnUNetPlans"
    pretrain: Pretraining = Pretraining()
    finetune: dict[str, Any] = {}
    machine: Machine = Machine()
    drop: tuple[Drop, ...] = ()
    step_seconds: dict[Name, Annotated[float, Field(gt=0)]] = {}

    @field_validator("tasks", mode="before")
    @classmethod
    def _short_tasks(cls, value: Any) -> Any:
        """Allow a bare key for a task."""
        if not isinstance(value, list):
            return value
        return [{"task": task} if isinstance(task, str | int) else task for task in value]

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for what in ("seeds", "folds", "labelled", "budgets"):
            values = getattr(self, what)
            twice = [value for value in values if values.count(value) > 1]
            if twice:
                raise ValueError(f"{what}: {twice[0]} is there twice; name each once")
        if self.control not in self.arms:
            raise ValueError(
                f"control: there is no arm {self.control!r} among {', '.join(self.arms)}; name one of them"
                f"{did_you_mean(self.control, self.arms)}"
            )
        return self

    @model_validator(mode="after")
    def _arms_can_run(self) -> Self:
        for name, arm in self.arms.items():
            if arm.start == "auto":
                raise ValueError(f"arms.{name}.start: 'auto' is chosen by fold with `rasd_nnu choose`; name an arm")
            if arm.pretrain and arm.start != "rasd" and arm.compute == "same":
                raise ValueError(f"arms.{name}.pretrain: only arms that start from rasd are pre-trained; leave it out")
            if arm.compute == "total" and arm.start != "scratch":
                raise ValueError(f"arms.{name}.compute: 'total' is for an arm from scratch, not from {arm.start!r}")
            if arm.compute == "total" and self.pretraining(name).iterations is None:
                raise ValueError(f"arms.{name}.compute: 'total' adds pretrain.iterations, which is not given; set it")
        return self

    def pretraining(self, arm: str) -> Pretraining:
        """Return the pre-training of an arm: the study's, with the arm's changes."""
        changes = self.arms[arm].pretrain
        return Pretraining.model_validate(self.pretrain.model_dump(exclude_unset=True) | changes)


def length_of(budget: str) -> tuple[int, int]:
    """Return epochs and iterations an epoch of a budget."""
    match = _BUDGET.fullmatch(budget)
    assert match is not None  # validated
    return int(match[1]), int(match[2])


def minutes(text: str) -> int:
    """Return a time limit such as ``24h`` in minutes."""
    match = _HOURS.fullmatch(text)
    assert match is not None  # validated
    return int(match[1]) * _MINUTES[match[2]]


def read_config(folder: Path) -> StudyConfig:
    """Read and check ``study.yaml`` of a folder.

    Raises:
        ConfigError: If there is none, or something in it is wrong; the key is named.
    """
    path = folder / STUDY_FILE
    if not path.is_file():
        raise ConfigError(f"{folder} has no {STUDY_FILE}, expected a study. Make one with: rasd_nnu study new {folder}")
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds a {type(content).__name__}, expected keys such as 'name', 'tasks' and 'arms'.")
    try:
        return StudyConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explained_fault(error)}") from None


def explained_fault(error: ValidationError) -> str:
    """Return the first unknown key, for which another may be missing, and what is known there; else the first fault."""
    unknown = [fault for fault in error.errors(include_url=False) if fault["type"] == "extra_forbidden"]
    if not unknown:
        return first_problem(error)
    first = unknown[0]
    where = ".".join(map(str, first["loc"][:-1]))
    models: dict[str, type[Model]] = {"tasks": StudyTask, "arms": Arm, "machine": Machine, "pretrain": Pretraining}
    model: type[Model] = models.get(str(first["loc"][0]), StudyConfig) if where else StudyConfig
    if "compact" in first["loc"][:-1]:
        model = Compact
    key = str(first["loc"][-1])
    return (
        f"unknown key {key!r}{f' in {where}' if where else ''}, expected some of {', '.join(model.model_fields)}."
        f"{did_you_mean(key, model.model_fields)}"
    )
