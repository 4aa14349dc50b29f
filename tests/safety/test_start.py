"""A training does not begin over a finished one, or with hostile plans."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import pytest
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from rasd_nnu.cli.main import main
from rasd_nnu.errors import ConfigError
from rasd_nnu.trainers.options import may_overwrite
from tests.helpers import tiny_dataset
from tests.pretrain.loop_parts import Watcher, start, tiny_recipe
from tests.safety.parts import one_line
from tests.trainers.helpers import make_trainer


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A trainer whose folder holds a finished training."""
    monkeypatch.setattr(nnUNetTrainer, "on_train_start", lambda self: None)
    data = tiny_dataset(tmp_path, monkeypatch, preprocess=("2d",))
    trainer = make_trainer(data, "RaSDTrainer_scratch_1epochs", "2d")
    (Path(trainer.output_folder) / "checkpoint_final.pth").write_text("days of work")
    return trainer


def test_a_finished_training_is_not_overwritten(finished: Any, capsys: pytest.CaptureFixture[str]) -> None:
    line = one_line([], capsys, lambda _: finished.on_train_start())
    assert "holds a finished training" in line
    assert "RASD_OVERWRITE=1" in line
    assert not (Path(finished.output_folder) / "transfer_report.json").exists()


def test_it_is_if_told(finished: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RASD_OVERWRITE", "1")
    finished.on_train_start()
    assert (Path(finished.output_folder) / "transfer_report.json").is_file()


def test_the_command_that_overwrites_tells_the_trainer_so(finished: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr("os.execve", lambda program, command, environment: started.append(environment))
    name = Path(finished.output_folder).parents[1].name
    command = ["finetune", name, "-c", "2d", "--arm", "scratch", "--epochs", "1", "--device", "cpu"]
    with pytest.raises(SystemExit, match="^2$"):
        main(command)
    with pytest.raises(SystemExit, match="^0$"):
        main([*command, "--overwrite"])
    assert [may_overwrite(environment) for environment in started] == [True]


def test_a_long_run_takes_no_more_memory_at_its_start(tmp_path: Path) -> None:
    class StopError(Exception):
        """The run has begun."""

    def stop(done: int) -> None:
        raise StopError

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(StopError):
        start(tmp_path / "a.pth", recipe=tiny_recipe(iterations=100_000_000), display=Watcher(stop))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB; a row of losses has 20 bytes


def test_going_on_is_no_new_beginning(finished: Any) -> None:
    finished.current_epoch = 1
    finished.on_train_start()


def test_the_variable_is_zero_or_one() -> None:
    assert not may_overwrite({"RASD_OVERWRITE": "0"})
    with pytest.raises(ConfigError, match="RASD_OVERWRITE is 'yes'"):
        may_overwrite({"RASD_OVERWRITE": "yes"})
