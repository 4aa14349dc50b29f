"""JSON schemas of the record formats, as they stand in the documentation."""

from __future__ import annotations

from typing import Any

from rasd_nnu.records.base import RecordModel
from rasd_nnu.records.detection import Detections
from rasd_nnu.records.study import StudyRecords

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def predictions_schema() -> dict[str, Any]:
    """Return the schema of one line of ``predictions.csv``, read as an object from column to text."""
    probability = {"type": "string", "description": "number from 0 to 1", "pattern": r"^[0-9.eE+-]+$"}
    return {
        "$schema": _DIALECT,
        "title": "A line of predictions.csv, as csv.DictReader gives it",
        "type": "object",
        "properties": {
            "case": {"type": "string", "minLength": 1, "description": "name of the case, unique in the file"},
            "group": {"type": "string", "minLength": 1, "description": "patient"},
            "fold": {"type": "string", "pattern": "^[0-9]*$", "description": "fold, empty for a test set"},
            "label": {"type": "string", "description": "name of the class; one class a case"},
        },
        "patternProperties": {
            "^label_.+$": {"enum": ["0", "1", ""], "description": "finding present, absent, not known"},
            "^prob_.+$": probability,
        },
        "required": ["case", "group", "fold"],
        "additionalProperties": False,
    }


def schemas() -> dict[str, dict[str, Any]]:
    """Return file name in the documentation -> JSON schema."""
    models: dict[str, type[RecordModel]] = {"detections.json": Detections, "records.json": StudyRecords}
    found = {name: {"$schema": _DIALECT, **model.model_json_schema()} for name, model in models.items()}
    return {"predictions.json": predictions_schema(), **found}
