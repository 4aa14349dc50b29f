from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rasd_nnu.workflows.study import run as study_run
from rasd_nnu.workflows.study.config import length_of, minutes, read_config
from tests.workflows.study.conftest import STUDY


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds: [0, 1]", "sedes: [0, 1]", "unknown key 'sedes', expected some of name, tasks, arms"),
        ("seeds: [0, 1]", "seeds: [0, 1, 0]", "seeds: 0 is there twice"),
        ("labelled: [2, 4]", "labelled: [2, 2]", "labelled: 2 is there twice"),
        ("seeds: [0, 1]", "seeds: [-1]", "seeds.0: Input should be greater than or equal to 0, got -1"),
        ("{start: rasd}", "{begin: rasd}", "unknown key 'begin' in arms.rasd, expected some of start, mix"),
        ("{features: 4,", "{feature: 4,", "unknown key 'feature' in tasks.0.compact, expected some of features"),
        ("budgets: [3x4]", "budgets: [3]", "budgets.0: Input should be a valid string, got 3"),
        ("  scratch: {start: scratch}\n", "", "there is no arm 'scratch' among rasd"),
        ("{device: cpu}", "{device: gpu}", "machine.device: Input should be 'cuda' or 'cpu', got 'gpu'"),
        ("{start: scratch}", "{start: scratch, compute: all}", "arms.scratch.compute"),
        ("{start: scratch}", "{start: scratch, pretrain: {iterations: 3}}", "only arms that start from rasd"),
        ("{start: scratch}", "{start: scratch, finetune: {lt: 1}}", "unknown option 'lt' of finetune"),
        ("{start: scratch}", "{start: scratch, finetune: {lr: -1}}", "RASD_LR is '-1'"),
        ("{iterations: 20}", "{iterations: 20, step: 1}", "unknown key 'step' in pretrain"),
        ("task: msd04_hippocampus", "task: msd04_hipocampus", "unknown task 'msd04_hipocampus'. Did you mean"),
        ("{start: rasd}", "{start: voco}", "no arm 'voco' is registered"),
        ("name: tiny", "name: ../tiny", "name: String should match pattern"),
        ("name: tiny", "- tiny", "is not valid YAML"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(
    folder: Path, refused: Callable[..., str], old: str, new: str, said: str
) -> None:
    assert old in STUDY
    (folder / "study.yaml").write_text(STUDY.replace(old, new))
    assert said in refused("show", str(folder))


def test_a_folder_without_a_study(tmp_path: Path, refused: Callable[..., str]) -> None:
    assert "has no study.yaml, expected a study. Make one with" in refused("show", str(tmp_path))
    assert "was never run" in refused("status", str(tmp_path))


def test_the_template_is_a_study(tmp_path: Path, refused: Callable[..., str]) -> None:
    from rasd_nnu.cli.main import main

    with pytest.raises(SystemExit) as ended:
        main(["study", "new", str(tmp_path / "mine")])
    assert ended.value.code == 0
    assert read_config(tmp_path / "mine").name == "mine"
    assert "exists: the folder holds a study" in refused("new", str(tmp_path / "mine"))


def test_a_source_that_lacks_files(folder: Path, refused: Callable[..., str]) -> None:
    source = folder / "Task04_Hippocampus"
    source.mkdir()
    (folder / "study.yaml").write_text(STUDY.replace("task: msd04_hippocampus", f"task: 4, source: {source}"))
    assert "the source of 4: " in refused("show", str(folder))
    source.rmdir()
    assert "is no folder. Give the unpacked release" in refused("show", str(folder))


def test_an_engine_that_is_not_there_or_too_old(
    folder: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_run, "ENGINE", "snakemake-that-nobody-has")
    assert "is not installed: pip install 'rasd-nnu[study]'" in refused("run", str(folder))
    monkeypatch.setattr(study_run, "ENGINE", "snakemake")
    monkeypatch.setattr(study_run, "OLDEST_ENGINE", 1000)
    assert "expected 1000 or newer" in refused("run", str(folder))


def test_lengths_and_times() -> None:
    assert length_of("100x250") == (100, 250)
    assert [minutes(text) for text in ("5m", "24h", "2d")] == [5, 1440, 2880]
