"""Make a study folder of the per-patient records in results/screen, for `rasd_nnu compare` and `report --study`.

python benchmarks/screen_study.py --out FOLDER [--arms A,B] [--tasks camus_us,covid_ct] [--labelled 5] [--steps 700]

Each training becomes a ``summary.json`` with the Dice of each class and patient as it was recorded, to three digits.
Trainings are compared with each other where task, number of labelled patients and recipe agree, by the seeds that all
arms have; what has none is left out, with a line that says so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from rasd_nnu.files import write_text
from rasd_nnu.records.study import StudyRecords, StudyUnit

RECORDS = Path(__file__).parent / "results/screen"
#: Voxels that a class is said to have, in the reference and in the prediction: only Dice was recorded, to this part.
_VOXELS = 1000
Row = Mapping[str, Any]
Design = tuple[str, int, str]


def rows(tasks: Sequence[str]) -> Iterator[Row]:
    """Yield the trainings on the outer split of the tasks, of today's protocol."""
    for path in sorted(RECORDS.glob("*.jsonl")):
        if path.stem in tasks:
            lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
            yield from (row for row in lines if row.get("inner") is None)


def design(row: Row) -> Design:
    """Return task, labelled patients and a name of the recipe: its steps, and a digest of all of it."""
    digest = hashlib.sha256(json.dumps(row["recipe"], sort_keys=True).encode()).hexdigest()[:6]
    return row["task"], row["labelled"], f"{row['recipe']['steps']}steps-{digest}"


def absences(trainings: Iterable[Row]) -> set[tuple[str, int]]:
    """Return patients and labels that are not there: nowhere predicted, they have no Dice; elsewhere they have 0."""
    return {
        (patient, label)
        for row in trainings
        for patient, scores in row["patients"].items()
        for label, dice in enumerate(scores, start=1)
        if dice is None
    }


def summary(row: Row, absent: Set[tuple[str, int]]) -> dict[str, Any]:
    """Return a training in the form of nnU-Net's ``summary.json``."""
    entries = []
    for patient, scores in row["patients"].items():
        metrics = {
            str(label): _metrics(dice, (patient, label) not in absent) for label, dice in enumerate(scores, start=1)
        }
        case = patient.split(".")[0]
        files = {"reference_file": f"labels/{case}.png", "prediction_file": f"predicted/{case}.png"}
        entries.append({**files, "metrics": metrics})
    return {"metric_per_case": entries}


def _metrics(dice: float | None, is_there: bool) -> dict[str, float]:
    """Return counts that give a Dice."""
    there = _VOXELS if is_there else 0
    found = dice or (dice == 0 and not is_there)  # a Dice of 0 where nothing is means that something was predicted
    both, predicted = round((dice or 0.0) * there), _VOXELS if found else 0
    counts = {"TP": both, "FP": predicted - both, "FN": there - both, "n_ref": there, "n_pred": predicted}
    return {"Dice": math.nan if dice is None else dice, **counts}


def write_study(
    out: Path, tasks: Sequence[str], arms: Sequence[str], labelled: int | None = None, steps: int | None = None
) -> StudyRecords:
    """Write the summaries and ``records.json``, of all numbers of labelled patients and steps or of one."""
    found: dict[Design, dict[str, dict[int, Row]]] = {}
    known = list(rows(tasks))
    absent = {task: absences(row for row in known if row["task"] == task) for task in tasks}
    for row in known:
        asked = labelled in (None, row["labelled"]) and steps in (None, row["recipe"]["steps"])
        if asked and row["name"] in arms:
            found.setdefault(design(row), {}).setdefault(row["name"], {})[row["seed"]] = row
    units = []
    for key, of_design in sorted(found.items()):
        seeds = set.intersection(*(set(of_design.get(arm, {})) for arm in arms))
        if not seeds:
            print(f"{key}: left out, no seed in all of {', '.join(arms)}")
            continue
        for arm in arms:
            for seed in sorted(seeds):
                path = f"{key[0]}/n{key[1]}_{key[2]}_{arm}_seed{seed}/summary.json"
                write_text(out / path, json.dumps(summary(of_design[arm][seed], absent[key[0]])))
                options = {"dataset": key[0], "n": key[1], "budget": key[2], "arm": arm, "seed": seed, "path": path}
                units.append(StudyUnit(**options))
    records = StudyRecords(units=tuple(units))
    write_text(out / "records.json", records.model_dump_json(indent=1))
    return records


def main() -> None:
    """Write a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", default="scratch,shift_always")
    parser.add_argument("--tasks", default="camus_us,covid_ct")
    parser.add_argument("--labelled", type=int)
    parser.add_argument("--steps", type=int)
    arguments = parser.parse_args()
    tasks, arms = arguments.tasks.split(","), arguments.arms.split(",")
    records = write_study(arguments.out, tasks, arms, arguments.labelled, arguments.steps)
    print(f"{len(records.units)} trainings in {arguments.out}")


if __name__ == "__main__":
    main()
