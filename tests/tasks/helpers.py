"""Fine-tuning of tiny data sets through the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rasd_nnu.cli.main import main
from rasd_nnu.tasks import loop
from tests.helpers import TinyDataset

QUICK = ["-c", "3d_fullres", "--epochs", "2", "--batch-size", "2", "--device", "cpu"]


def run(tiny: TinyDataset, *args: str) -> int:
    """Fine-tune and return the exit code."""
    try:
        main(["finetune", str(tiny.id), *QUICK, *args])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def fails(tiny: TinyDataset, said: str, capsys: pytest.CaptureFixture[str], *args: str) -> None:
    """Check that fine-tuning is refused, with this in the last line; random weights unless told otherwise."""
    capsys.readouterr()
    assert run(tiny, *([] if "--arm" in args else ["--arm", "scratch"]), *args) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


def fold_of(tiny: TinyDataset, kind: str, arm: str = "") -> Path:
    """Return the folder of a fine-tuning."""
    return tiny.results / f"RaSD{kind}{arm}_2epochs_seed0__nnUNetPlans__3d_fullres" / "fold_0"


def train_again_with_a_stop(tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace a training by one that is stopped after its first epoch and then goes on."""
    save = loop.atomic_save

    def save_and_stop(content: Any, path: Path) -> None:
        save(content, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "atomic_save", save_and_stop)
    assert run(tiny, "--arm", "scratch", "--overwrite") == 130
    monkeypatch.setattr(loop, "atomic_save", save)
    assert run(tiny, "--arm", "scratch") == 0
