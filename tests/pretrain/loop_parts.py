"""A network and samples so small that a step takes milliseconds."""

from __future__ import annotations

from typing import Any

from rasd_nnu.nnunet import NetworkTarget
from rasd_nnu.pretrain.hardware import Hardware
from rasd_nnu.pretrain.recipe import Recipe
from rasd_nnu.pretrain.synthesis import SynthesisConfig
from tests.helpers import architecture

CPU = Hardware(device="cpu")


def tiny_target(features: tuple[int, ...] = (4, 8), **changes: Any) -> NetworkTarget:
    return NetworkTarget(
        architecture=architecture(3, features, **changes),
        input_channels=1,
        patch_size=(8, 8, 8),
        spacing=(1.0, 1.0, 1.0),
        batch_size=2,
        normalization=("ZScoreNormalization",),
    )


def tiny_config(**changes: Any) -> SynthesisConfig:
    options: dict[str, Any] = {"shape": (8, 8, 8), "classes": 4, "normalization": ("ZScoreNormalization",)}
    return SynthesisConfig.preset("default", **{**options, **changes})


def tiny_recipe(**changes: Any) -> Recipe:
    return Recipe(**{"iterations": 6, "lr": 1e-2, **changes})
