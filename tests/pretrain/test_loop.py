from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from rasd_nnu.checkpoints.file import load_checkpoint, resume_path, safe_load
from rasd_nnu.errors import CheckpointError
from rasd_nnu.networks.build import build_network
from rasd_nnu.pretrain.hardware import Hardware
from rasd_nnu.pretrain.history import COLUMNS
from rasd_nnu.pretrain.report import report_path
from rasd_nnu.pretrain.stream import Batches, Share, stream
from tests.pretrain.loop_parts import Watcher, history, start, stop_at, tiny_config, tiny_recipe, tiny_target


def test_checkpoint_says_how_it_was_made(tmp_path: Path) -> None:
    result = start(tmp_path / "a.pth", recipe=tiny_recipe(iterations=40))
    content = load_checkpoint(result.checkpoint)
    meta = content["rasd"]
    assert meta["synthesis"] == tiny_config().to_dict()
    assert meta["objective"]["temperature"] == 0.07
    assert meta["recipe"]["lr"] == 1e-2
    assert (meta["iterations"], meta["samples_seen"], meta["samples_different"]) == (40, 80, 80)
    assert meta["finished"] is True
    rows = history(result.checkpoint).double()
    expected = dict(zip(COLUMNS, rows[-2:].mean(0).tolist(), strict=True))  # the last 5 %
    assert meta["final_losses"] == pytest.approx(expected)
    assert result.final_losses == meta["final_losses"]
    assert 0 < meta["synthesis_share"] < 1
    assert torch.__version__.startswith(meta["versions"]["torch"])
    build_network(tiny_target()).load_state_dict(content["network_weights"])
    report = json.loads(report_path(result.checkpoint).read_text())
    assert (report["command"], report["iterations"]) == ("pretrain", 40)
    assert list((tmp_path / "a.tensorboard").glob("events.out.tfevents.*"))


def test_learns(tmp_path: Path) -> None:
    start(tmp_path / "a.pth", recipe=tiny_recipe(iterations=100, seed=1))
    rows = history(tmp_path / "a.pth")
    early, late = rows[:10].mean(0), rows[-10:].mean(0)
    assert late[0] < 0.5 * early[0]
    assert late[3] > early[3]


def test_seed_decides_everything(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        start(tmp_path / f"{name}.pth", recipe=tiny_recipe(seed=seed))
    a, b, c = (history(tmp_path / f"{name}.pth") for name in "abc")
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
@pytest.mark.parametrize("extra", [{}, {"ema": 0.9, "schedule": "cosine", "warmup": 3, "clip": 1.0, "accumulate": 2}])
def test_signal_saves_and_resume_is_exact(tmp_path: Path, number: int, extra: dict[str, Any]) -> None:
    recipe = tiny_recipe(iterations=12, **extra)
    before = signal.getsignal(number)
    target = tiny_target(dropout_op="torch.nn.modules.dropout.Dropout3d", dropout_op_kwargs={"p": 0.3})
    start(tmp_path / "whole.pth", recipe=recipe, target=target)
    part = start(tmp_path / "part.pth", recipe=recipe, target=target, display=stop_at(5, number))
    assert part.stopped_by == signal.Signals(number).name
    assert load_checkpoint(part.checkpoint)["rasd"]["iterations"] == part.iterations == 6  # the one at hand is finished
    assert signal.getsignal(number) == before
    watcher = Watcher()
    rest = start(tmp_path / "part.pth", recipe=recipe, target=target, resume=True, display=watcher)
    assert (rest.stopped_by, rest.iterations) == (None, 12)
    assert "goes on after iteration 6" in watcher.messages
    assert torch.equal(history(tmp_path / "whole.pth"), history(tmp_path / "part.pth"))
    whole, parts = (load_checkpoint(tmp_path / f"{n}.pth")["network_weights"] for n in ("whole", "part"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    def twice(done: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "a.pth", display=Watcher(twice))
    assert not (tmp_path / "a.pth").exists()


def test_resume_goes_on_longer_at_a_constant_rate_only(tmp_path: Path) -> None:
    start(tmp_path / "whole.pth", recipe=tiny_recipe(iterations=8))
    start(tmp_path / "a.pth", recipe=tiny_recipe(iterations=4))
    start(tmp_path / "a.pth", recipe=tiny_recipe(iterations=8), resume=True)
    assert torch.equal(history(tmp_path / "whole.pth"), history(tmp_path / "a.pth"))
    start(tmp_path / "b.pth", recipe=tiny_recipe(iterations=4, schedule="cosine"))
    with pytest.raises(CheckpointError, match=r"recipe.iterations is 4 there and 8 now"):
        start(tmp_path / "b.pth", recipe=tiny_recipe(iterations=8, schedule="cosine"), resume=True)


def test_resume_of_a_finished_run_restores_a_lost_checkpoint(tmp_path: Path) -> None:
    out = tmp_path / "a.pth"
    start(out)
    out.unlink()
    assert start(out, resume=True).iterations == 6
    assert load_checkpoint(out)["rasd"]["iterations"] == 6


def test_accumulation_and_workers_change_nothing(tmp_path: Path) -> None:
    start(tmp_path / "plain.pth", recipe=tiny_recipe(batch_size=4))
    start(tmp_path / "parts.pth", recipe=tiny_recipe(batch_size=4, accumulate=2))
    start(tmp_path / "workers.pth", recipe=tiny_recipe(batch_size=4), hardware=Hardware(device="cpu", workers=2))
    plain = history(tmp_path / "plain.pth")
    torch.testing.assert_close(plain, history(tmp_path / "parts.pth"), rtol=1e-3, atol=1e-4)
    assert torch.equal(plain, history(tmp_path / "workers.pth"))


def test_bf16_stays_close(tmp_path: Path) -> None:
    for precision in ("fp32", "bf16"):
        start(tmp_path / f"{precision}.pth", recipe=tiny_recipe(iterations=2, precision=precision))
    torch.testing.assert_close(
        history(tmp_path / "fp32.pth")[0], history(tmp_path / "bf16.pth")[0], rtol=0.05, atol=0.05
    )


def test_moving_average_is_what_the_checkpoint_holds(tmp_path: Path) -> None:
    start(tmp_path / "a.pth", recipe=tiny_recipe(ema=0.9))
    learner = safe_load(resume_path(tmp_path / "a.pth"))["learner"]
    weights = load_checkpoint(tmp_path / "a.pth")["network_weights"]
    key = next(iter(weights))
    assert torch.equal(weights[key], learner["average"][f"module.{key}"])
    assert not torch.equal(weights[key], learner["network"][key])


@pytest.mark.parametrize("world", [1, 2, 4])
def test_processes_share_out_the_same_samples(world: int) -> None:
    dealt = [Share(8, rank, world).indices(3) for rank in range(world)]
    assert [n for share in dealt for n in share] == list(range(24, 32))


@pytest.mark.parametrize("workers", [0, 2])
def test_stream_is_in_order_whatever_the_workers(workers: int) -> None:
    batches = Batches(tiny_config(), 5, Share(2), torch.device("cpu"))
    got = list(stream(batches, 4, 9, workers))
    assert len(got) == 5
    for (image, label), iteration in zip(got, range(4, 9), strict=True):
        expected = batches[iteration]
        assert torch.equal(image, expected[0])
        assert torch.equal(label, expected[1])
