"""Real data sets under RASD_DATA go through the same vocabulary."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rasd_nnu.dataset_specs.check import check
from rasd_nnu.dataset_specs.locations import find_source
from rasd_nnu.dataset_specs.prepare import prepare
from rasd_nnu.dataset_specs.registry import get_spec

KEYS = (
    "muscle_ultrasound", "dsb2018_histology", "pneumoniamnist", "camus_us", "sunnybrook_lv", "covid_ct", "usgra_us",
    "wbc_smear", "bccd",
)  # fmt: skip


@pytest.mark.skipif("RASD_DATA" not in os.environ, reason="RASD_DATA is unset")
@pytest.mark.parametrize("key", KEYS)
def test_real_set(key: str, tmp_path: Path) -> None:
    spec = get_spec(key)
    source = find_source(spec)
    if source is None:
        pytest.skip(f"RASD_DATA holds no {spec.layout.folder}")
    assert not check(spec, source).problems
    few = None if key in ("camus_us", "sunnybrook_lv", "covid_ct") else 20
    part = spec.model_copy(update={"split": spec.split.model_copy(update={"test": None})})
    prepared = prepare(part, source, tmp_path, num_cases=few)
    assert prepared.converted == len(prepared.cases) >= 20
    assert not [line for line in prepared.warnings if "leaks" in line]
