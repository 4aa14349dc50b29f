"""The run sheet for a GPU, tried on a CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu" / "run.sh"


def run(work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the sheet with its files under ``work``."""
    environment = {**os.environ, "GPU_WORK": str(work), "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    command = ["bash", str(SCRIPT), "--smoke", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def test_all_parts_run_and_only_once(tmp_path: Path) -> None:
    """Every part writes its result; a second call does nothing again."""
    first = run(tmp_path)
    assert first.returncode == 0, first.stderr
    results = {file.name: json.loads(file.read_text()) for file in (tmp_path / "results").iterdir()}
    assert set(results) == {"engine.json", "step.json", "pretrain_2d.json", "pretrain_3d.json"}
    assert results["engine.json"]["results"][0]["ms_per_sample"] > 0
    second = run(tmp_path)
    assert second.returncode == 0
    assert second.stdout.count("done before") == 4
    assert "==" not in second.stdout


def test_unknown_part(tmp_path: Path) -> None:
    """What is not a part is named, with what there is."""
    done = run(tmp_path, "engines")
    assert done.returncode == 2
    assert "unknown part engines, expected engine" in done.stderr
    assert not list((tmp_path / "done").iterdir())
