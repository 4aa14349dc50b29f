"""Weights in channels-last order, and `torch.compile`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from rasd_nnu.checkpoints.file import load_checkpoint
from rasd_nnu.errors import ConfigError
from rasd_nnu.pretrain import assemble
from rasd_nnu.pretrain.hardware import Hardware, memory_format
from tests.pretrain.loop_parts import history, start, stop_at, tiny_recipe


def test_channels_last_where_it_was_measured_to_pay() -> None:
    cpu, narrow, wide = torch.device("cpu"), nn.Conv3d(1, 8, 3), nn.Conv3d(1, 32, 3)
    assert memory_format(cpu, nn.Sequential(narrow, wide)) == torch.channels_last_3d
    assert memory_format(cpu, wide) == torch.contiguous_format
    assert memory_format(cpu, nn.Conv2d(1, 8, 3)) == torch.contiguous_format
    assert memory_format(torch.device("cuda"), narrow) == torch.contiguous_format


def test_channels_last_learns_the_same_and_resumes_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny_recipe(iterations=8, clip=1.0, ema=0.9)
    start(tmp_path / "plain.pth", recipe=recipe)
    monkeypatch.setattr(assemble, "memory_format", lambda *_: torch.channels_last_3d)
    start(tmp_path / "whole.pth", recipe=recipe)
    torch.testing.assert_close(history(tmp_path / "plain.pth"), history(tmp_path / "whole.pth"), rtol=1e-2, atol=1e-2)
    start(tmp_path / "part.pth", recipe=recipe, display=stop_at(3))
    start(tmp_path / "part.pth", recipe=recipe, resume=True)
    assert torch.equal(history(tmp_path / "whole.pth"), history(tmp_path / "part.pth"))
    whole, parts = (load_checkpoint(tmp_path / f"{n}.pth")["network_weights"] for n in ("whole", "part"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_compiled_network_learns_the_same_and_is_saved_under_plain_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    compile_ = torch.compile
    # Without the C++ compiler: the tracing is what may go wrong here.
    monkeypatch.setattr(torch, "compile", lambda n: compiled.append(n) or compile_(n, backend="eager"))
    start(tmp_path / "plain.pth")
    start(tmp_path / "compiled.pth", hardware=Hardware(device="cpu", compile=True))
    assert len(compiled) == 1
    torch.testing.assert_close(history(tmp_path / "plain.pth"), history(tmp_path / "compiled.pth"))
    plain, other = (load_checkpoint(tmp_path / f"{n}.pth")["network_weights"] for n in ("plain", "compiled"))
    assert list(plain) == list(other)


def test_contrastive_objective_refuses_compile(tmp_path: Path) -> None:
    recipe, hardware = tiny_recipe(objective="contrastive"), Hardware(device="cpu", compile=True)
    with pytest.raises(ConfigError, match="compile is on, expected off with the contrastive objective"):
        start(tmp_path / "a.pth", recipe=recipe, hardware=hardware)
