"""A network and samples so small that a step takes milliseconds."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from torch import Tensor

from rasd_nnu.checkpoints.file import resume_path, safe_load
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.pretrain.hardware import Hardware
from rasd_nnu.pretrain.loop import PretrainResult, pretrain
from rasd_nnu.pretrain.progress import Status
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


class Watcher:
    """Remember what was shown; call `at` with the number of iterations done."""

    def __init__(self, at: Any = None) -> None:
        self.messages: list[str] = []
        self.shown: list[Status] = []
        self.closed = False
        self._at = at

    def update(self, status: Status) -> None:
        self.shown.append(status)
        if self._at:
            self._at(status.done)

    def message(self, text: str) -> None:
        self.messages.append(text)

    def close(self) -> None:
        self.closed = True


def start(out: Path, **options: Any) -> PretrainResult:
    options = {"hardware": CPU, "report_every": 1, **options}
    target = options.pop("target", None) or tiny_target()
    config = options.pop("config", None) or tiny_config()
    return pretrain(target, config, options.pop("recipe", None) or tiny_recipe(), out, **options)


def history(out: Path) -> Tensor:
    rows: Tensor = safe_load(resume_path(out))["history"]
    return rows


def stop_at(iteration: int, number: int = signal.SIGTERM) -> Watcher:
    return Watcher(lambda done: os.kill(os.getpid(), number) if done == iteration else None)
