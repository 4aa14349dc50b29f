"""The run sheet for a GPU, tried on a CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu" / "run.sh"


def write_cells(folder: Path, count: int = 10) -> None:
    """Write images and instances as the smoke test's data set has them: a bright square a picture."""
    numbers = np.random.default_rng(0)
    for part in ("images", "instances"):
        (folder / part).mkdir(parents=True)
    for k in range(count):
        cells = np.zeros((64, 64), np.uint8)
        row, column = numbers.integers(8, 40, 2)
        cells[row : row + 16, column : column + 16] = 1
        image = numbers.integers(0, 60, (64, 64, 3)) + 150 * cells[..., None]
        imageio.imwrite(folder / "images" / f"cell_{k}.png", image.astype(np.uint8))
        imageio.imwrite(folder / "instances" / f"cell_{k}.png", cells)


def run(work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the sheet with its files under ``work``."""
    environment = {**os.environ, "GPU_WORK": str(work), "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    environment["RASD_DATA"] = str(work / "data")
    command = ["bash", str(SCRIPT), "--smoke", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def test_all_parts_run_and_only_once(tmp_path: Path) -> None:
    """Every part writes its result; a second call does nothing again."""
    write_cells(tmp_path / "data" / "dsb2018_histology")
    first = run(tmp_path)
    assert first.returncode == 0, first.stderr
    results = {file.name: json.loads(file.read_text()) for file in (tmp_path / "results").iterdir()}
    assert set(results) == {"engine.json", "step.json", "pretrain_2d.json", "pretrain_3d.json", "few_labels.json"}
    assert results["engine.json"]["results"][0]["ms_per_sample"] > 0
    assert results["few_labels.json"]["names"] == ["mix", "scratch"]
    second = run(tmp_path)
    assert second.returncode == 0
    assert second.stdout.count("done before") == 5
    assert "==" not in second.stdout


def test_unknown_part(tmp_path: Path) -> None:
    """What is not a part is named, with what there is."""
    done = run(tmp_path, "engines")
    assert done.returncode == 2
    assert "unknown part engines, expected engine" in done.stderr
    assert not list((tmp_path / "done").iterdir())
