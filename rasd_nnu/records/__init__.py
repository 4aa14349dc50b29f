"""Per-case records: what a task writes and `compare` reads; every statistic is computed from them later."""

from __future__ import annotations

from rasd_nnu.records.classification import ClassificationCase, Predictions, read_predictions, write_predictions
from rasd_nnu.records.detection import DetectionCase, Detections, read_detections, write_detections
from rasd_nnu.records.study import StudyRecords, StudyUnit, read_study

__all__ = [
    "ClassificationCase",
    "DetectionCase",
    "Detections",
    "Predictions",
    "StudyRecords",
    "StudyUnit",
    "read_detections",
    "read_predictions",
    "read_study",
    "write_detections",
    "write_predictions",
]
