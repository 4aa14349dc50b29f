"""The data sets of a study: what they are, where they come from, and whether they are what the study needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rasd_nnu.dataset_specs.registry import get_spec, list_specs
from rasd_nnu.errors import ConfigError, DatasetError
from rasd_nnu.files import expanded
from rasd_nnu.nnunet.datasets import task_of
from rasd_nnu.nnunet.env import nnunet_folder_if_set
from rasd_nnu.reading import read_table
from rasd_nnu.workflows.study.config import StudyConfig, StudyTask
from rasd_nnu.workflows.study.draw import Draw
from rasd_nnu.workflows.study.splits import draw_folds, folds_of

if TYPE_CHECKING:
    from rasd_nnu.dataset_specs.schema import DatasetSpec


@dataclass(frozen=True)
class ResolvedTask:
    """A data set of the study.

    Args:
        asked: What the study says.
        dataset: Full name.
        kind: ``segmentation``, ``classification`` or ``detection``.
        configurations: Configurations that nnU-Net plans.
        spec: Its spec, which prepares it; None where it is taken from ``nnUNet_raw``.
        existing: The prepared data set that is taken.
        source: The unpacked release; None where it is downloaded.
    """

    asked: StudyTask
    dataset: str
    kind: str
    configurations: tuple[str, ...]
    spec: DatasetSpec | None
    existing: Path | None = None
    source: Path | None = None

    def trained(self, configuration: str) -> str:
        """Return the configuration that is trained: the planned one, or its narrow twin."""
        return configuration if self.asked.compact is None else f"{configuration}_compact"


def resolve(config: StudyConfig, folder: Path) -> list[ResolvedTask]:
    """Find out what each task of a study is.

    Raises:
        UserError: If a task is unknown or named twice, or its source does not exist.
    """
    found: dict[str, ResolvedTask] = {}
    for task in config.tasks:
        resolved = _resolved(task, folder)
        if resolved.dataset in found:
            raise ConfigError(
                f"tasks: {resolved.dataset} is there twice; name it once, with all of its configurations."
            )
        found[resolved.dataset] = resolved
    return list(found.values())


def _resolved(task: StudyTask, folder: Path) -> ResolvedTask:
    existing = _existing(task.task, folder)
    spec = _spec(task.task, known=existing is not None)
    if spec is None:
        assert existing is not None
        if task.configurations is None:
            raise ConfigError(f"tasks: {task.task} has no dataset spec; say which 'configurations' to train, as [2d].")
        return ResolvedTask(task, existing.name, task_of(existing), task.configurations, None, existing)
    configurations = task.configurations or (("2d",) if spec.dims == 2 else ("3d_fullres",))
    if task.source is not None:
        source = (folder / expanded(task.source)).resolve()
        if not source.is_dir():
            raise ConfigError(f"tasks: the source of {task.task}, {source}, is no folder. Give the unpacked release.")
        return ResolvedTask(task, spec.dataset_name, spec.task, configurations, spec, source=source)
    if existing is not None:
        return ResolvedTask(task, spec.dataset_name, spec.task, configurations, spec, existing)
    from rasd_nnu.dataset_specs.locations import find_source

    release = find_source(spec)
    found = None if release is None else release.resolve()
    return ResolvedTask(task, spec.dataset_name, spec.task, configurations, spec, source=found)


def _spec(name: str, *, known: bool) -> DatasetSpec | None:
    """Return the spec of this name, or None where a data set is there without one."""
    if known:
        return next((s for s in list_specs() if name in (s.key, str(s.id), s.dataset_name)), None)
    return get_spec(name)


def _existing(name: str, folder: Path) -> Path | None:
    """Return the prepared data set outside of the study that a task names, by id, name or the key of its spec."""
    spec = next((s for s in list_specs() if name == s.key), None)
    text = spec.dataset_name if spec is not None else name
    number = f"Dataset{int(text):03d}_" if text.isascii() and text.isdigit() and len(text) < 4 else None
    raw, own = nnunet_folder_if_set("nnUNet_raw"), folder / "nnUNet_raw"
    for place in (own, *((raw,) if raw is not None else ())):
        for path in sorted(place.glob("Dataset[0-9][0-9][0-9]_*")) if place.is_dir() else ():
            is_meant = path.name.startswith(number) if number else path.name == text
            if is_meant and (path / "dataset.json").is_file() and (path.is_symlink() or place != own):
                return path.resolve()
    return None


def check_sources(tasks: Sequence[ResolvedTask], folder: Path) -> None:
    """Look at the source of each data set that is still to be prepared.

    Raises:
        DatasetError: If files are missing or the source cannot be read as the spec says; the first problem is named.
    """
    from rasd_nnu.dataset_specs.check import check

    for task in tasks:
        if task.spec is None or task.source is None or (folder / "nnUNet_raw" / task.dataset).is_dir():
            continue
        report = check(task.spec, task.source)
        if report.problems:
            more = f"; and {len(report.problems) - 1} more" if len(report.problems) > 1 else ""
            raise DatasetError(f"the source of {task.asked.task}: {report.problems[0]}{more}")


def check_draws(task: ResolvedTask, draws: Sequence[Draw], validation_cases: int | None, folder: Path) -> None:
    """Check that the patients of a data set are enough, as far as they are known before it is prepared.

    Raises:
        UserError: If a fold does not exist or has fewer cases than are asked for.
    """
    raw = task.existing or folder / "nnUNet_raw" / task.dataset
    if (raw / "dataset.json").is_file():
        folds = folds_of(raw)
        patients = _patients(raw) or {case: case for fold in folds for side in fold.values() for case in side}
    elif task.spec is not None and task.source is not None:
        from rasd_nnu.dataset_specs.layouts.find import find_cases
        from rasd_nnu.dataset_specs.splits import plan_split

        plan = plan_split(task.spec, find_cases(task.spec, task.source), task.asked.split)
        folds, patients = list(plan.folds), dict(plan.groups)
    else:
        return  # to be downloaded: the job that draws checks it
    draw_folds(folds, patients, draws, validation_cases, task.dataset)


def _patients(raw: Path) -> dict[str, str]:
    file = raw / "cases.csv"
    if not file.is_file():
        return {}
    return {row["case"]: row["group"] for row in read_table(file, ("case", "group"), DatasetError)}


def check_kinds(config: StudyConfig, tasks: Sequence[ResolvedTask]) -> None:
    """Refuse what a study asks of tasks that are not segmentation and that their training has not.

    Raises:
        ConfigError: Naming the task.
    """
    for task in tasks:
        if task.kind == "segmentation":
            continue
        asked = {
            "validation_cases": config.validation_cases is not None,
            "mix": any(arm.mix is not None for arm in config.arms.values()),
        }
        for what, is_asked in asked.items():
            if is_asked:
                raise ConfigError(
                    f"{task.asked.task} is {task.kind}, whose training has no {what}. Put it into a study of its own."
                )
