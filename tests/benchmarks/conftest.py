from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCREEN = Path(__file__).parents[2] / "benchmarks" / "screen"


@pytest.fixture(scope="module")
def screen() -> Iterator[Any]:
    """Import the bench, whose modules are scripts beside each other, and put invented tasks in."""
    sys.path.insert(0, str(SCREEN))
    before = set(sys.modules)
    import analyse
    import arms
    import augment
    import differences
    import loop
    import plans
    import recipe
    import run
    import score
    import side_evidence
    import store
    import tasks
    import verdict

    def read(_: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        generator = np.random.default_rng(0)
        for number in range(24):
            label = np.zeros((40, 40), np.uint8)
            x, y = generator.integers(4, 24, 2)
            label[x : x + 12, y : y + 12], label[x + 3 : x + 8, y + 3 : y + 8] = 1, 2
            yield f"p{number // 2:02d}", (generator.normal(size=(1, 40, 40)) + label).astype(np.float32), label

    kept = dict(tasks.TASKS)
    tasks.TASKS["invented"] = tasks.Task("invented", 3, 1, (32, 32), 4, 1, read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RASD_DATA", "nowhere")
        modules = (
            analyse,
            arms,
            augment,
            differences,
            loop,
            plans,
            recipe,
            run,
            score,
            side_evidence,
            store,
            tasks,
            verdict,
        )
        yield type("Screen", (), {module.__name__: module for module in modules})
    tasks.TASKS.clear()
    tasks.TASKS.update(kept)
    sys.path.remove(str(SCREEN))
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(SCREEN)):
            del sys.modules[name]
