"""A run that is killed again and again ends with exactly the losses of one that is not."""

from __future__ import annotations

import multiprocessing
import random
from pathlib import Path
from typing import Any

import torch

from rasd_nnu.checkpoints.file import load_checkpoint, resume_path, safe_load
from rasd_nnu.pretrain.loop import pretrain
from tests.pretrain.loop_parts import CPU, tiny_config, tiny_recipe, tiny_target

KILLS = 20
ITERATIONS = 60


def test_killed_at_random_moments_resumes_to_the_same_losses(tmp_path: Path) -> None:
    run = tiny_target(), tiny_config(), tiny_recipe(iterations=ITERATIONS)
    options: dict[str, Any] = {"hardware": CPU, "save_every": 1, "resume": True}
    out = tmp_path / "killed.pth"
    # The server imports torch and nnU-Net once; each run is a fresh fork of it.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rasd_nnu.pretrain.loop", "torch.utils.tensorboard"])
    pause = random.Random(0)
    kills, reached = 0, 0
    while kills < KILLS:
        process = context.Process(target=pretrain, args=(*run, out), kwargs=options)
        process.start()
        # From its first save on, a run lives a little longer, and dies wherever it then is.
        while process.is_alive() and _iteration(out) <= reached:
            process.join(0.02)
        process.join(pause.uniform(0, 0.05))
        process.kill()
        process.join()
        assert process.exitcode in (0, -9)
        reached = _iteration(out)
        if process.exitcode == 0:
            break
        kills += 1
        assert load_checkpoint(out)["rasd"]["iterations"] in (reached, reached - 1)
    assert kills == KILLS, "raise ITERATIONS: the run was done before it was killed often enough"
    pretrain(*run, out, **options)
    pretrain(*run, tmp_path / "whole.pth", **options)
    killed, whole = (safe_load(resume_path(path)) for path in (out, tmp_path / "whole.pth"))
    assert torch.equal(killed["history"], whole["history"])
    weights = whole["learner"]["network"]
    assert all(torch.equal(weights[key], value) for key, value in killed["learner"]["network"].items())


def _iteration(out: Path) -> int:
    path = resume_path(out)
    return int(safe_load(path)["iteration"]) if path.exists() else 0
