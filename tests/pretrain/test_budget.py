from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rasd_nnu.checkpoints.file import load_checkpoint
from rasd_nnu.errors import ConfigError
from rasd_nnu.networks.standard import standard_target
from rasd_nnu.pretrain import budget
from rasd_nnu.pretrain.defaults import RECIPES, config_for, recipe_for
from rasd_nnu.pretrain.hardware import Hardware
from rasd_nnu.pretrain.loop import pretrain
from rasd_nnu.pretrain.progress import duration
from tests.pretrain.loop_parts import CPU, Watcher, history, start, stop_at, tiny_recipe, tiny_target


def budgeted(seconds: float = 90.0, **changes: object):
    return recipe_for(tiny_target(), CPU, budget=seconds, precision="fp32", **changes)


def test_length_is_measured_told_and_kept_by_a_resumed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, watcher = tmp_path / "a.pth", stop_at(5)
    start(out, recipe=budgeted(), display=watcher)
    told = next(m for m in watcher.messages if m.startswith("length"))
    length, ends = re.search(r"length +(\d+) iterations of .* s \(mean of \d+\): .*, ends about (.+)", told).groups()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", ends)
    assert watcher.messages.index(told) < next(i for i, m in enumerate(watcher.messages) if m.startswith("network"))
    meta = load_checkpoint(out)["rasd"]
    assert (meta["recipe"]["iterations"], meta["recipe"]["budget"]) == (int(length), 90.0)
    assert meta["finished"] is False
    monkeypatch.setattr("rasd_nnu.pretrain.loop.fit_to_budget", lambda *_: pytest.fail("measured again"))
    rest = start(out, recipe=budgeted(7200.0), resume=True, display=stop_at(9))
    assert rest.iterations == 10
    assert load_checkpoint(out)["rasd"]["recipe"]["iterations"] == int(length)


def test_measuring_leaves_no_trace(tmp_path: Path) -> None:
    start(tmp_path / "a.pth", recipe=budgeted(), display=stop_at(3))
    length = load_checkpoint(tmp_path / "a.pth")["rasd"]["recipe"]["iterations"]
    start(tmp_path / "b.pth", recipe=budgeted(iterations=length), display=stop_at(3))
    assert torch.equal(history(tmp_path / "a.pth"), history(tmp_path / "b.pth"))


def test_budget_is_about_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_step_seconds", lambda *_: (0.5, 3))
    recipe = budget.fit_to_budget(
        tiny_target(), config_for(tiny_target()), budgeted(60.0), CPU, _Alone(), Watcher(), None
    )
    assert 90 <= recipe.iterations < 120  # what the measurement takes is part of the budget
    with pytest.raises(ConfigError, match=r"a step takes 0.5 s, so that \d fit into a budget of 5 s, expected 20"):
        budget.fit_to_budget(tiny_target(), config_for(tiny_target()), budgeted(5.0), CPU, _Alone(), Watcher(), None)


class _Alone:
    """As much of a Fabric as the arithmetic needs."""

    device = torch.device("cpu")

    def broadcast(self, value: object) -> object:
        return value


def test_defaults_depend_on_network_and_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, primus = standard_target(3), standard_target(3, "primus-s")
    assert (recipe_for(plain).lr, recipe_for(primus).lr) == (1e-3, 3e-4)
    assert recipe_for(standard_target(2)).batch_size == 16
    assert (config_for(plain).classes, config_for(standard_target(2)).classes) == (8, 16)
    monkeypatch.setattr(Hardware, "best_precision", lambda self: "bf16")
    for name in RECIPES:
        recipe = recipe_for(plain, name=name)
        assert (recipe.precision, recipe.batch_size) == ("bf16", 2)
    assert recipe_for(plain, precision="fp32").precision == "fp32"
    with pytest.raises(ConfigError, match="unknown recipe 'papre', expected default or paper. Did you mean 'paper'"):
        recipe_for(plain, name="papre")
    with pytest.raises(ConfigError, match="unknown entry 'iteration' of the recipe"):
        recipe_for(plain, iteration=3)


def test_python_needs_the_network_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASD_CHECKPOINTS", str(tmp_path))
    target = replace(tiny_target(), dataset="Dataset901_Tiny", plans="nnUNetPlans", configuration="3d_fullres")
    monkeypatch.setattr("rasd_nnu.pretrain.loop.recipe_for", lambda *_, **__: tiny_recipe(iterations=2))
    result = pretrain(target, hardware=CPU)
    assert result.checkpoint == tmp_path / "Dataset901_Tiny" / "nnUNetPlans__3d_fullres.pth"
    assert load_checkpoint(result.checkpoint)["rasd"]["synthesis"]["classes"] == 8
    with pytest.raises(ConfigError, match="out is not given"):
        pretrain(tiny_target(), hardware=CPU)


def test_plain_objective_trains_like_the_fast_one(tmp_path: Path) -> None:
    for name in ("fast", "plain"):
        start(tmp_path / f"{name}.pth", recipe=tiny_recipe(objective_implementation=name, normalize=True))
    fast, plain = (history(tmp_path / f"{name}.pth") for name in ("fast", "plain"))
    torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-3)
    assert load_checkpoint(tmp_path / "plain.pth")["rasd"]["recipe"]["objective_implementation"] == "plain"


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.25, "3.25 s"), (90, "90 s"), (600, "10 min"), (3900, "1 h 05 min"), (28800, "8 h 00 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
