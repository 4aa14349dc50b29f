"""The schema of a dataset spec: what a YAML file under ``dataset_specs`` may say, one idea a module."""

from __future__ import annotations

from rasd_nnu.dataset_specs.schema.base import SpecModel
from rasd_nnu.dataset_specs.schema.spec import Citation, DatasetSpec, Download

__all__ = ["Citation", "DatasetSpec", "Download", "SpecModel"]
