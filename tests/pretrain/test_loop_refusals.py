from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rasd_nnu.checkpoints.file import load_checkpoint, resume_path
from rasd_nnu.errors import CheckpointError, ConfigError
from rasd_nnu.pretrain import run as run_module
from rasd_nnu.pretrain.hardware import Hardware
from rasd_nnu.pretrain.history import DivergenceError
from rasd_nnu.pretrain.learner import Learner
from tests.pretrain.loop_parts import Watcher, start, tiny_config, tiny_recipe, tiny_target


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
    with pytest.raises(CheckpointError, match="no resume file of version 2"):
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
    with pytest.raises(DivergenceError, match=r"iteration 3 gave .* not finite .*anew with --overwrite and a"):
        start(tmp_path / "a.pth", report_every=5, save_every=2)
    assert load_checkpoint(tmp_path / "a.pth")["rasd"]["iterations"] == 2
    monkeypatch.setattr(Learner, "step", step)
    start(tmp_path / "a.pth", overwrite=True, recipe=tiny_recipe(lr=1e-3, clip=1.0))  # as the message says
    assert load_checkpoint(tmp_path / "a.pth")["rasd"]["finished"] is True


def test_patch_that_the_network_does_not_take_is_told_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Learner, "step", lambda *_: pytest.fail("trained"))
    # Divisible, but one voxel is left at the bottom, which cannot be normalised.
    target = tiny_target(strides=[[1] * 3, [8] * 3], kernel_sizes=[[3] * 3] * 2)
    message = r"the network does not take a patch of 8x8x8 \(ValueError: Expected more than 1 spatial element"
    with pytest.raises(ConfigError, match=message):
        start(tmp_path / "a.pth", target=target)
    assert not list(tmp_path.glob("*.pth"))


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory: ...")],
)
def test_too_little_memory_says_what_would_fit(
    error: RuntimeError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> Tensor:
        raise error

    monkeypatch.setattr(Learner, "step", too_large)
    with pytest.raises(ConfigError, match=r"6 sample\(s\) .*--accumulate 2 .*--batch-size 3, or --precision bf16"):
        start(tmp_path / "a.pth", recipe=tiny_recipe(batch_size=6))


def test_leftovers_of_a_killed_save_are_removed(tmp_path: Path) -> None:
    for name in (".a.pth", ".a.resume.pth", ".a.run_report.json", ".a.iter0000002.pth"):
        (tmp_path / f"{name}.abcdefgh.rasd_tmp").write_bytes(b"half")
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
    with pytest.raises(CheckpointError, match=r"cannot use .*/file: File exists\. A folder is needed there"):
        start(tmp_path / "file" / "a.pth")
