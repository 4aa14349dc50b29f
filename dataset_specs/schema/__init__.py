"""The schema of a dataset spec: what a YAML file under ``dataset_specs`` may say, one idea a module."""

from __future__ import annotations

from rasd_nnu.dataset_specs.schema.base import SpecModel
from rasd_nnu.dataset_specs.schema.layout import DecathlonLayout
from rasd_nnu.dataset_specs.schema.spec import DatasetSpec, Download, GroupRule, LabelMapping

__all__ = ["DatasetSpec", "DecathlonLayout", "Download", "GroupRule", "LabelMapping", "SpecModel"]
