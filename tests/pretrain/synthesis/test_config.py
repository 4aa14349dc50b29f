from __future__ import annotations

import pytest

from rasd_nnu.errors import ConfigError
from rasd_nnu.pretrain.synthesis import PRESETS, SynthesisConfig


def make(**changes):
    return SynthesisConfig.preset(**{"name": "default", "shape": (32, 32), "classes": 4, **changes})


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("shape", [(32, 48), (16, 24, 16)])
def test_round_trip_through_plain_values(name, shape):
    config = make(name=name, shape=shape, classes=(3, 5))
    assert SynthesisConfig.from_dict(config.to_dict()) == config
    assert config.max_classes == 5


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"blur.sigmaa": [0, 1, "vox"]}, r"unknown key 'priors.blur.sigmaa'. Did you mean 'sigma'"),
        ({"blr.sigma": [0, 1, "vox"]}, r"unknown group 'blr'.*Did you mean 'blur'"),
        (
            {"blur.sigma": [0, 1, "voxel"]},
            r"priors.blur.sigma: expected a unit of vox, mm, fraction. Did you mean 'vox'",
        ),
        ({"blur.sigma": [1, 0, "vox"]}, r"priors.blur.sigma: expected finite low <= high"),
        ({"blur.sigma": [-1, 0, "vox"]}, r"priors.blur.sigma: expected values from 0"),
        ({"blur.sigma": [0, float("nan"), "vox"]}, r"priors.blur.sigma: expected finite"),
        ({"blur.sigma": [0, 1]}, r"priors.blur.sigma: expected \[low, high, unit\]"),
        ({"deformation.std": [0, 1, "intensity"]}, r"priors.deformation.std: expected a unit of vox, mm"),
        ({"blur.probability": 1.5}, r"priors.blur.probability"),
        ({"heatmaps.cells": [63, 62]}, r"priors.heatmaps: expected a least common multiple"),
        ({"noise.kinds": ["rice"]}, r"priors.noise.kinds"),
        ({"sigma": 1}, r"has no key"),
    ],
)
def test_wrong_priors_are_refused_with_the_key_named(overrides, message):
    with pytest.raises(ConfigError, match=message):
        make(overrides=overrides)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "papr"}, "unknown preset 'papr'.*Did you mean 'paper'"),
        ({"shape": (15, 16)}, r"two axes of at least 16, or three of at least 4, got \[15, 16\]\.$"),
        ({"shape": (32,)}, "two axes of at least 16"),
        ({"shape": (32, 2000)}, "shape"),
        ({"classes": 1}, "classes from 2 to 64"),
        ({"classes": (6, 4)}, "classes from 2 to 64"),
        ({"classes": 65}, "classes from 2 to 64"),
        ({"spacing": (1, 1, 1)}, "a spacing an axis"),
        ({"spacing": (1, 0)}, "spacing"),
        ({"channels": 0}, "channels"),
        ({"channels": 3, "normalization": ("CTNormalization",) * 2}, "no, one or 3 normalisation"),
        ({"classes": 2, "overrides": {"tubes.probability": 1}}, "at least 3 classes"),
    ],
)
def test_wrong_geometry_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        make(**changes)


def test_errors_are_one_line():
    with pytest.raises(ConfigError) as caught:
        make(overrides={"blur.sigmaa": 1, "blur.x": 2})
    assert "\n" not in str(caught.value)
