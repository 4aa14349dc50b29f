from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from rasd_nnu.trainers import stop
from tests.helpers import TinyDataset
from tests.trainers.helpers import make_trainer, weights_of

NAME = "RaSDTrainer_scratch_3epochs_2iters_seed1"


@pytest.fixture(autouse=True)
def signals_as_before():
    before = {number: signal.getsignal(number) for number in stop.STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("sent", stop.STOP_SIGNALS)
def test_a_training_that_a_scheduler_stops_goes_on_exactly(
    tiny: TinyDataset, sent: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_trainer(tiny, NAME, "2d")
    whole.run_training()
    wanted = weights_of(whole)
    Path(whole.output_folder, "checkpoint_final.pth").unlink()

    stopped = make_trainer(tiny, NAME, "2d")
    plain = stopped.train_step

    def step(batch):
        if stopped.current_epoch == 1:
            os.kill(os.getpid(), sent)  # in the middle of an epoch
        return plain(batch)

    monkeypatch.setattr(stopped, "train_step", step)
    with pytest.raises(SystemExit) as ended:
        stopped.run_training()
    assert ended.value.code == 128 + sent
    assert f"stopped by {sent.name} after epoch 1" in Path(stopped.log_file).read_text()

    resumed = make_trainer(tiny, NAME, "2d")
    resumed.load_checkpoint(str(Path(resumed.output_folder) / "checkpoint_latest.pth"))
    assert resumed.current_epoch == 2
    resumed.run_training()
    assert all(torch.equal(value, wanted[name]) for name, value in weights_of(resumed).items())


def test_a_signal_in_the_validation_ends_it_at_once(tiny: TinyDataset) -> None:
    trainer = make_trainer(tiny, "RaSDTrainer_scratch_1epochs_1iters_seed1", "2d")
    trainer.run_training()
    assert all(signal.getsignal(number) == signal.SIG_DFL for number in stop.STOP_SIGNALS)


def test_a_forked_process_dies_from_sigterm_but_not_from_what_slurm_sends_to_all() -> None:
    """Pools end their workers by SIGTERM and would wait for ever; those that augment are needed after SIGUSR1."""
    request = stop.StopRequest()
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,), daemon=True)
    worker.start()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGUSR1)
    worker.join(0.5)
    assert worker.is_alive()
    os.kill(worker.pid, signal.SIGTERM)
    worker.join(10)
    assert worker.exitcode == -signal.SIGTERM
    for sent in stop.STOP_SIGNALS:
        os.kill(os.getpid(), sent)
        assert request.received == sent


def test_the_processes_that_augment_outlive_what_slurm_sends_to_all(
    tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    trainer = make_trainer(tiny, NAME, "2d")
    plain = trainer.train_step

    def step(batch):
        if trainer.current_epoch == 0:
            for process in [*multiprocessing.active_children(), multiprocessing.current_process()]:
                os.kill(process.pid or 0, signal.SIGUSR1)
        return plain(batch)

    monkeypatch.setattr(trainer, "train_step", step)
    with pytest.raises(SystemExit) as ended:
        trainer.run_training()
    assert ended.value.code == 128 + signal.SIGUSR1


@pytest.mark.parametrize(("seed", "measures"), [("_seed1", False), ("", True)])
def test_the_blur_of_a_seeded_training_does_not_look_at_the_clock(tiny: TinyDataset, seed: str, measures: bool) -> None:
    trainer = make_trainer(tiny, f"RaSDTrainer_scratch_1epochs{seed}", "2d")
    size = trainer.configuration_manager.patch_size
    transforms = trainer.get_training_transforms(size, (-1.0, 1.0), None, (0, 1), False).transforms
    inner = [getattr(transform, "transform", transform) for transform in transforms]
    assert [one.benchmark for one in inner if hasattr(one, "benchmark")] == [measures]
