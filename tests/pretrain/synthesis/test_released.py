"""The preset `released` against statistics measured on the authors' generator (fewer samples, the same rule)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from rasd_nnu.pretrain.synthesis import SynthesisConfig, synthesize

_spec = importlib.util.spec_from_file_location("statistics_reference", Path(__file__).with_name("statistics.py"))
assert _spec is not None and _spec.loader is not None
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)


@pytest.mark.parametrize(
    ("shape", "classes", "samples", "expected", "of"),
    [((256, 256), 8, 60, reference.REFERENCE_2D, 300), ((64, 64, 64), 4, 60, reference.REFERENCE_3D, 60)],
    ids=["2d", "3d"],
)
def test_released_matches_the_reference(shape, classes, samples, expected, of):
    config = SynthesisConfig.preset("released", shape=shape, classes=classes)
    rows = []
    for index in range(samples):
        image, label = synthesize(config, 0, [index])
        rows.append(reference.describe(image[0, 0].numpy(), label[0].numpy(), classes))
    misses = []
    for name, (mean, sd) in expected.items():
        ours = np.array([row[name] for row in rows])
        allowed = max(3 * np.sqrt(sd**2 / of + ours.var(ddof=1) / samples), 0.05 * abs(mean))
        if abs(ours.mean() - mean) > allowed:
            misses.append(f"{name}: {ours.mean():.4f}, expected {mean:.4f} within {allowed:.4f}")
    assert not misses, misses
