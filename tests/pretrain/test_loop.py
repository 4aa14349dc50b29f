from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rasd_nnu.errors import CheckpointError, ConfigError
from rasd_nnu.pretrain import run as run_module
from rasd_nnu.pretrain.checkpoint import load_checkpoint, resume_path, safe_load
from rasd_nnu.pretrain.hardware import Hardware
from rasd_nnu.pretrain.history import COLUMNS, DivergenceError
from rasd_nnu.pretrain.learner import Learner
from rasd_nnu.pretrain.loop import PretrainResult, pretrain
from rasd_nnu.pretrain.networks import build_network
from rasd_nnu.pretrain.progress import Status
from rasd_nnu.pretrain.report import report_path
from rasd_nnu.pretrain.stream import Batches, Share, stream
from tests.pretrain.loop_parts import CPU, tiny_config, tiny_recipe, tiny_target


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


def test_existing_output_needs_overwrite_and_stays(tmp_path: Path) -> None:
    out = tmp_path / "a.pth"
    start(out)
    before = out.read_bytes()
    with pytest.raises(CheckpointError, match=r"a.pth exists. Use --resume .* --overwrite"):
        start(out)
    assert out.read_bytes() == before
    start(out, overwrite=True, recipe=tiny_recipe(seed=3))
    assert load_checkpoint(out)["rasd"]["seed"] == 3
    resume_path(out).unlink()
    with pytest.raises(CheckpointError, match=r"no resume file .*a.resume.pth .*--overwrite"):
        start(out, resume=True)
    with pytest.raises(CheckpointError, match=r"exclude each other"):
        start(out, resume=True, overwrite=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": tiny_recipe(lr=1e-3)}, "recipe.lr is 0.01 there and 0.001 now"),
        (
            {"target": tiny_target((4, 16))},
            "architecture.arch_kwargs.features_per_stage is [4, 8] there and [4, 16] now",
        ),
        ({"config": tiny_config(classes=5)}, "synthesis.classes is 4 there and 5 now"),
        ({"recipe": tiny_recipe(iterations=3)}, "is at iteration 6, beyond the 3 asked for"),
    ],
)
def test_resume_of_another_run_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    out = tmp_path / "a.pth"
    start(out)
    before = out.read_bytes(), resume_path(out).read_bytes()
    with pytest.raises(CheckpointError) as error:
        start(out, resume=True, **changes)
    assert message in str(error.value)
    assert (out.read_bytes(), resume_path(out).read_bytes()) == before


def test_damaged_resume_file_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "a.pth"
    start(out)
    resume_path(out).write_bytes(resume_path(out).read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged or truncated"):
        start(out, resume=True)
    torch.save({"history": torch.zeros(1)}, resume_path(out))
    with pytest.raises(CheckpointError, match="no resume file of version 1"):
        start(out, resume=True)


def test_full_disk_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "a.pth"
    start(out, recipe=tiny_recipe(seed=9))
    before = out.read_bytes()
    save, calls = run_module.atomic_save, []

    def fails_at_first(content: Any, path: Path) -> None:
        calls.append(path)
        if len(calls) == 1:
            assert out.read_bytes() == before
            raise CheckpointError(f"could not write {path} (No space left on device); free space.")
        save(content, path)

    monkeypatch.setattr(run_module, "atomic_save", fails_at_first)
    watcher = Watcher()
    start(out, overwrite=True, save_every=2, display=watcher)
    assert any("No space left" in m and "next save tries again" in m for m in watcher.messages)
    assert load_checkpoint(out)["rasd"]["seed"] == 0


def test_full_disk_at_the_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(content: Any, path: Path) -> None:
        raise CheckpointError(f"could not write {path} (No space left on device)")

    monkeypatch.setattr(run_module, "atomic_save", fails)
    watcher = Watcher()
    with pytest.raises(CheckpointError, match="No space left"):
        start(tmp_path / "a.pth", display=watcher)
    assert watcher.closed


def test_divergence_names_the_iteration_and_saves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Learner.step

    def diverges(self: Learner, iteration: int, image: Tensor, label: Tensor) -> Tensor:
        row = step(self, iteration, image, label)
        return row * torch.nan if iteration == 3 else row

    monkeypatch.setattr(Learner, "step", diverges)
    with pytest.raises(DivergenceError, match=r"iteration 3 gave a value that is not finite .*--lr"):
        start(tmp_path / "a.pth", report_every=5, save_every=2)
    assert load_checkpoint(tmp_path / "a.pth")["rasd"]["iterations"] == 2


def test_too_little_memory_says_what_would_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*_: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Learner, "step", too_large)
    with pytest.raises(ConfigError, match=r"6 sample\(s\) .*--accumulate 2 .*--batch-size 3, or --precision bf16"):
        start(tmp_path / "a.pth", recipe=tiny_recipe(batch_size=6))


def test_leftovers_of_a_killed_save_are_removed(tmp_path: Path) -> None:
    for name in (".a.pth.xyz", ".a.resume.pth.xyz"):
        (tmp_path / name).write_bytes(b"half")
    start(tmp_path / "a.pth")
    assert not list(tmp_path.glob(".a.*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"config": tiny_config(shape=(8, 8, 16))}, r"shape of the synthesis is \(8, 8, 16\), expected .*\(8, 8, 8\)"),
        ({"config": tiny_config(channels=2)}, r"channels of the synthesis is 2, expected the network's 1"),
        ({"hardware": Hardware(device="cpu", devices=3)}, r"batch_size is 2, expected a multiple of 3"),
        ({"recipe": tiny_recipe(accumulate=4)}, r"batch_size is 2, expected a multiple of 4"),
        ({"recipe": tiny_recipe(precision="fp16")}, r"precision is 'fp16', expected fp32 or bf16 on a CPU"),
        ({"save_every": 0}, r"save_every is 0, expected at least 1"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        start(tmp_path / "a.pth", **options)
    assert not list(tmp_path.iterdir())


def test_output_must_be_a_writable_pth_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"expected a file name that ends in .pth"):
        start(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot write to .*Choose another --out"):
        start(tmp_path / "file" / "a.pth")
