from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from rasd_nnu.checkpoints.file import load_checkpoint
from rasd_nnu.pretrain.stream import Batches, Share, samples_used
from rasd_nnu.pretrain.synthesis import synthesize
from tests.pretrain.loop_parts import history, start, stop_at, tiny_config, tiny_recipe


@pytest.mark.parametrize(("batch_size", "reuse"), [(4, 1), (4, 2), (4, 4), (4, 8), (2, 3), (6, 4)])
@pytest.mark.parametrize("world", [1, 2])
def test_each_sample_is_shown_in_a_row_and_stays_with_its_process(batch_size: int, reuse: int, world: int) -> None:
    iterations = 60
    shown: Counter[int] = Counter()
    homes: dict[int, int] = {}
    for t in range(iterations):
        batch = []
        for rank in range(world):
            for index in Share(batch_size, rank, world, reuse).indices(t):
                assert homes.setdefault(index, rank) == rank
                batch.append(index)
        assert sorted(batch) == list(range(min(batch), min(batch) + batch_size))
        shown.update(batch)
    assert len(shown) == samples_used(iterations, batch_size, reuse)
    # Those that entered after the first batch and left before the last one; a ratio that is not whole alternates.
    full = [n for index, n in shown.items() if batch_size <= index < max(shown) - batch_size]
    assert sum(full) / len(full) == pytest.approx(reuse, rel=0.1)
    if batch_size % reuse == 0 or reuse % batch_size == 0:
        assert set(full) == {reuse}


def test_no_iterations_use_no_samples() -> None:
    assert samples_used(0, 4, 2) == 0
    assert samples_used(10, 4, 1) == 40
    assert samples_used(10, 4, 4) == 13  # the authors' queue: one fresh sample an iteration


def test_reused_samples_are_those_of_the_stream_and_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    config, made = tiny_config(), []
    batches = Batches(config, 5, Share(4, reuse=4), torch.device("cpu"))
    plain = batches._synthesize
    monkeypatch.setattr(batches, "_synthesize", lambda indices: made.extend(indices) or plain(indices))
    for t in range(6):
        image, label = batches[t]
        expected = synthesize(config, 5, batches.share.indices(t))
        assert torch.equal(image, expected[0]) and torch.equal(label, expected[1])
    assert made == list(range(9))


def test_run_reports_different_samples_and_resumes_exactly(tmp_path: Path) -> None:
    recipe = tiny_recipe(iterations=8, reuse=2)
    result = start(tmp_path / "whole.pth", recipe=recipe)
    meta = load_checkpoint(result.checkpoint)["rasd"]
    assert (meta["samples_seen"], meta["samples_different"], result.samples_different) == (16, 9, 9)
    start(tmp_path / "part.pth", recipe=recipe, display=stop_at(3))
    start(tmp_path / "part.pth", recipe=recipe, resume=True)
    assert torch.equal(history(tmp_path / "whole.pth"), history(tmp_path / "part.pth"))
