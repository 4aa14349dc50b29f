"""Records of a study: ``records.json``, which says of each training what it is and where its per-case records are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from rasd_nnu.errors import CompareError
from rasd_nnu.records.base import RecordModel, parse_model

RECORDS = "records.json"
VERSION: Literal[1] = 1


class StudyUnit(RecordModel):
    """One training.

    Args:
        dataset: Data set, such as ``Dataset004_Hippocampus``.
        task: Key of its dataset spec; None where it has none.
        configuration: Configuration, such as ``3d_fullres``; None where the task has none.
        n: Training cases; None for all.
        budget: Length of the training, such as ``50epochs``; None where all have the same.
        arm: How it started: ``rasd``, ``scratch`` or the name of another arm.
        seed: Seed; None for a single run.
        fold: Fold; None for a test set.
        path: Per-case records (``summary.json``, ``predictions.csv`` or ``detections.json``), relative to the folder of
            the study.
    """

    dataset: str = Field(min_length=1)
    task: str | None = None
    configuration: str | None = None
    n: int | None = Field(None, ge=1)
    budget: str | None = None
    arm: str = Field(min_length=1)
    seed: int | None = Field(None, ge=0)
    fold: int | None = Field(None, ge=0)
    path: str = Field(min_length=1)

    @property
    def design(self) -> tuple[str, str | None, str | None, int | None, str | None]:
        """What has to agree for two trainings to be compared: all but arm, seed and fold."""
        return self.dataset, self.task, self.configuration, self.n, self.budget


class StudyRecords(RecordModel):
    """The trainings of a study.

    Args:
        version: Version of the format.
        units: The trainings.
    """

    version: Literal[1] = VERSION
    units: tuple[StudyUnit, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        seen = set()
        for unit in self.units:
            key = (*unit.design, unit.arm, unit.seed, unit.fold)
            if key in seen:
                raise ValueError(f"{unit.dataset}, arm {unit.arm}, seed {unit.seed}, fold {unit.fold} is there twice")
            seen.add(key)
        return self


def read_study(folder: Path) -> StudyRecords:
    """Read ``records.json`` of a study's folder, and check that its paths stay inside of the folder.

    Raises:
        CompareError: If there is none, it does not follow the format, or a path leads out or to nothing.
    """
    path = folder / RECORDS
    study = parse_model(StudyRecords, path, "the records.json of a study")
    root = folder.resolve()
    for unit in study.units:
        file = (root / unit.path).resolve()
        if not file.is_relative_to(root):
            raise CompareError(f"{path} names {unit.path!r}, which lies outside of {folder}; expected a path inside")
        if not file.is_file():
            raise CompareError(
                f"{path} names {unit.path!r}, which does not exist. Run the study to its end, or drop it."
            )
    return study
