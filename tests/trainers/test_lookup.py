"""Whether nnU-Net's own look-up finds our trainers."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from rasd_nnu import trainers
from rasd_nnu.nnunet.env import trainers_folder


def test_lookup_returns_our_class_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("nnUNet_extTrainer", os.pathsep.join([str(tmp_path), str(trainers_folder())]))
    name = "RaSDTrainer_scratch_7epochs_3iters_seed5"
    found = recursive_find_trainer_class_by_name(name)
    assert found is getattr(trainers, name)
    assert recursive_find_trainer_class_by_name(name) is found


def test_lookup_refuses_a_malformed_name_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("nnUNet_extTrainer", str(trainers_folder()))
    with caplog.at_level(logging.ERROR), pytest.raises(RuntimeError, match="Could not find requested"):
        recursive_find_trainer_class_by_name("RaSDTrainer_5epoch")
    assert "no trainer 'RaSDTrainer_5epoch', expected RaSDTrainer[_SwinUNETR|_SwinUNETRv1][_scratch" in caplog.text


def test_folder_holds_one_module() -> None:
    modules = [p.name for p in trainers_folder().glob("*.py") if p.name != "__init__.py"]
    assert modules == ["rasd_trainers.py"]
