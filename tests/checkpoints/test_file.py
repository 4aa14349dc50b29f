from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu.checkpoints import file as checkpoint_file
from rasd_nnu.checkpoints.file import (
    atomic_save,
    checkpoint_content,
    host_weights,
    load_checkpoint,
    resume_path,
    safe_load,
)
from rasd_nnu.checkpoints.registry import default_path, pretrain_command
from rasd_nnu.errors import CheckpointError
from rasd_nnu.networks.build import build_network
from rasd_nnu.networks.standard import standard_target
from tests.pretrain.loop_parts import tiny_target


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("echo unsafe",)


def test_round_trip_keeps_weights_and_details(tmp_path: Path) -> None:
    network = build_network(tiny_target())
    atomic_save(checkpoint_content(network, tiny_target(), {"seed": 3, "curve": {"total": [1.0]}}), tmp_path / "a.pth")
    content = load_checkpoint(tmp_path / "a.pth")
    assert content["rasd"]["seed"] == 3
    assert tiny_target().same_network(content["rasd"]["architecture"], 1)
    for key, value in network.state_dict().items():
        assert torch.equal(content["network_weights"][key], value)
    plans = content["nnssl_adaptation_plan"]["architecture_plans"]
    assert plans["arch_class_name"] == tiny_target().architecture["network_class_name"]


def test_aliased_tensors_are_stored_once() -> None:
    network = build_network(tiny_target())
    state = host_weights(network)
    stored = {value.data_ptr(): value.numel() for value in state.values()}
    assert len(stored) < len(state)
    assert sum(stored.values()) == sum(p.numel() for p in network.parameters())


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pth"
    atomic_save({"a": 1}, path)

    def full(content: object, file: Any) -> None:
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_file.torch, "save", full)
    with pytest.raises(CheckpointError, match=r"cannot use .*a\.pth: No space left on device\. Free space.*intact"):
        atomic_save({"a": 2}, path)
    assert safe_load(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.pth"]


def test_unsafe_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        safe_load(tmp_path / "missing.pth")
    torch.save({"network_weights": Code()}, tmp_path / "code.pth")
    with pytest.raises(CheckpointError, match="was not opened, as it could run code"):
        safe_load(tmp_path / "code.pth")
    atomic_save({"a": torch.zeros(1000)}, tmp_path / "cut.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "cut.pth").read_bytes()[:2000])
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        safe_load(tmp_path / "cut.pth")
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="holds a list, expected a dict"):
        safe_load(tmp_path / "list.pth")
    torch.save({"state_dict": {}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"no 'rasd' and 'network_weights' entries \(found: state_dict\)"):
        load_checkpoint(tmp_path / "other.pth")
    torch.save({"network_weights": {}, "rasd": {"format_version": 99}}, tmp_path / "newer.pth")
    with pytest.raises(CheckpointError, match="format version 99"):
        load_checkpoint(tmp_path / "newer.pth")


def test_paths_and_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RASD_CHECKPOINTS", str(tmp_path))
    target = standard_target(2, channels=3, patch_size=(64, 64))
    assert default_path(target, "resenc") == tmp_path / "standard" / "resenc_2d_3ch.pth"
    assert resume_path(tmp_path / "a.pth") == tmp_path / "a.resume.pth"
    assert pretrain_command(target) == "rasd_nnu pretrain -d 2d --budget 1h"
