from __future__ import annotations

import io
import json
import os

import pytest
from rich.console import Console

from rasd_nnu.dataset_specs.phantom import write_phantom
from rasd_nnu.workflows.demo import DemoSettings, run_demo


@pytest.fixture
def restored_environment():
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.slow
def test_the_whole_way_on_a_phantom_and_again_without_work(tmp_path, monkeypatch, restored_environment):
    monkeypatch.delenv("RASD_DATA", raising=False)
    write_phantom(tmp_path / "nnUNet_raw", cases=8)
    settings = DemoSettings(labelled=2, held_out=3, pretrain_iterations=2, epochs=1, iterations_per_epoch=1)
    console = Console(file=io.StringIO(), width=200)
    page = run_demo(tmp_path, None, settings, console)
    shown = console.file.getvalue()
    assert "PHANTOM" in shown.splitlines()[0]
    comparison = json.loads((tmp_path / "comparison.json").read_text())
    assert len(comparison["rows"]) == 3
    assert comparison["recipe_differences"] == []
    (share,) = comparison["transfer"].values()
    assert list(comparison["transfer"]) == ["RaSD"]
    assert 0.5 < share < 1  # the encoder
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") >= 2 and "A phantom of simple shapes" in text
    assert "Not shown" not in text  # pictures, curves and settings are all there

    again = Console(file=io.StringIO(), width=200)
    run_demo(tmp_path, None, settings, again)
    assert again.file.getvalue().count("done before") == 6
