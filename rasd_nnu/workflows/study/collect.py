"""The records of a study: what `compare --study` and `report --study` read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from rasd_nnu.errors import CompareError
from rasd_nnu.files import write_text
from rasd_nnu.records.study import RECORDS, StudyRecords, StudyUnit
from rasd_nnu.workflows.study.jobs import RAW
from rasd_nnu.workflows.study.workflow import require_lock, why_not_done


def collect(folder: Path) -> tuple[StudyRecords, int]:
    """Write ``records.json`` of the trainings that are done, and the patients of their cases beside it.

    Returns:
        The records, and how many trainings are still missing.

    Raises:
        ConfigError: If the study was never run.
        CompareError: If no training is done.
    """
    lock = require_lock(folder)
    units: list[StudyUnit] = []
    for entry in lock.units:
        values: dict[str, Any] = {name: value for name, value in entry.items() if name != "job"}
        if why_not_done(folder, lock.jobs[entry["job"]]) is None:
            units.append(StudyUnit.model_validate(values))
    if not units:
        raise CompareError(f"no training of {folder} is done. Run the study: rasd_nnu study run {folder}")
    records = StudyRecords(units=tuple(units))
    for dataset in dict.fromkeys(unit.dataset for unit in units):
        source = folder / RAW / dataset / "cases.csv"
        if source.is_file():
            target = folder / dataset / "cases.csv"
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)
    write_text(folder / RECORDS, json.dumps(records.model_dump(mode="json"), indent=1) + "\n")
    return records, len(lock.units) - len(units)
