"""nnU-Net's own training and prediction with our trainers, unwrapped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.run.run_training import run_training
from nnunetv2.training.logging.nnunet_logger import MetaLogger
from torch.nn.parallel import DistributedDataParallel

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.env import trainers_folder
from rasd_nnu.nnunet.plans import target_from_plans
from rasd_nnu.trainers.optimizers import build_optimizer, encoder_parameters, hold_still
from rasd_nnu.trainers.options import FinetuneRecipe
from rasd_nnu.trainers.trainer import RaSDTrainer
from rasd_nnu.transfer import StartOptions, start
from tests import helpers
from tests.helpers import TinyDataset

TINY_JSON = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "bright": 1, "dark": 2}}


@pytest.fixture
def ready(tiny: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    """The tiny data set with its checkpoint, and nnU-Net knowing where our trainers are."""
    monkeypatch.setenv("nnUNet_extTrainer", str(trainers_folder()))
    target = target_from_plans(tiny.plans, tiny.dataset_json, "3d_fullres")
    atomic_save(checkpoint_content(build_network(target), target, {}), default_path(target))
    return tiny


def _train(name: str, **options: bool) -> None:
    run_training("901", "3d_fullres", 0, name, device=torch.device("cpu"), **options)


def _fold(tiny: TinyDataset, name: str) -> Path:
    return tiny.results / f"{name}__nnUNetPlans__3d_fullres" / "fold_0"


@pytest.mark.slow
def test_train_continue_and_predict(ready: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "RaSDTrainer_1epochs_2iters"
    _train(name)
    fold = _fold(ready, name)
    summary = json.loads((fold / "validation" / "summary.json").read_text())
    assert len(summary["metric_per_case"]) == 1
    report = json.loads((fold / "transfer_report.json").read_text())
    assert report["transfer"]["shares"]["encoder"]["parameters"] == 1.0

    default_path(target_from_plans(ready.plans, ready.dataset_json, "3d_fullres")).unlink()
    validated = []
    monkeypatch.setattr(RaSDTrainer, "perform_actual_validation", lambda self, _: validated.append(self))
    _train(name, continue_training=True)  # needs no checkpoint any more
    _train(name, only_run_validation=True)
    assert len(validated) == 2

    predictor = nnUNetPredictor(use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(fold.parent), (0,))
    assert predictor.trainer_name == name
    out = ready.root / "out"
    out.mkdir()
    predictor.predict_from_files_sequential([[str(ready.raw / "imagesTr/case_3_0000.nii.gz")]], [str(out / "case_3")])
    assert (out / "case_3.nii.gz").is_file()


OPTIONS: list[dict[str, str]] = [
    {},
    {"RASD_OPTIMIZER": "adamw", "RASD_FREEZE_ENCODER_EPOCHS": "3", "RASD_LAYER_DECAY": "0.8", "RASD_WARMUP": "0.6"},
]


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
def test_killed_and_resumed_equals_uninterrupted(
    ready: TinyDataset, monkeypatch: pytest.MonkeyPatch, options: dict[str, str]
) -> None:
    name = "RaSDTrainer_4epochs_2iters_seed1"
    monkeypatch.setattr(RaSDTrainer, "perform_actual_validation", lambda self, _: None)
    monkeypatch.setattr(RaSDTrainer, "plot_network_architecture", lambda self: None)
    monkeypatch.setattr(MetaLogger, "plot_progress_png", lambda self, folder: None)
    for variable, value in options.items():
        monkeypatch.setenv(variable, value)
    _train(name)
    final = _fold(ready, name) / "checkpoint_final.pth"
    whole = torch.load(final, weights_only=False)
    final.unlink()
    start = RaSDTrainer.on_train_epoch_start

    def killed(trainer: RaSDTrainer) -> None:
        if trainer.current_epoch == 2:
            raise KeyboardInterrupt
        start(trainer)

    with monkeypatch.context() as patch:
        patch.setattr(RaSDTrainer, "on_train_epoch_start", killed)
        with pytest.raises(KeyboardInterrupt):
            _train(name)
    assert not final.exists()
    for variable in options:
        monkeypatch.delenv(variable)  # the run goes on as it began, whatever is set now
    _train(name, continue_training=True)
    resumed = torch.load(final, weights_only=False)
    assert all(torch.equal(v, resumed["network_weights"][k]) for k, v in whole["network_weights"].items())


def _rank(rank: int, folder: str) -> None:
    """Start one of two processes as nnU-Net does under DDP: build, wrap, load, then train with a held encoder."""
    torch.set_num_threads(1)  # a forked process must not use its parent's pool of threads
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    torch.manual_seed(rank)
    target = target_from_plans(helpers.tiny_plans(), TINY_JSON, "2d")
    network = build_network(target, 3)
    optimizer = build_optimizer(network, FinetuneRecipe(lr=1e-3))
    step = 0
    hold_still(optimizer, encoder_parameters(network), lambda: step == 0)
    wrapped = DistributedDataParallel(network)
    start(open_source(Path(folder) / "pre.pth"), target, wrapped, StartOptions(transfer="whole"))
    while step < 2:
        optimizer.zero_grad()
        wrapped(torch.rand(1, 1, 16, 16)).square().sum().backward()
        optimizer.step()
        step += 1
    torch.save(network.state_dict(), Path(folder) / f"{rank}.pth")
    dist.destroy_process_group()


def test_ranks_stay_equal(tmp_path: Path) -> None:
    """They are built from different random numbers and see different data; only the broadcast makes them equal."""
    target = target_from_plans(helpers.tiny_plans(), TINY_JSON, "2d")
    atomic_save(checkpoint_content(build_network(target), target, {}), tmp_path / "pre.pth")
    torch.multiprocessing.start_processes(_rank, (str(tmp_path),), nprocs=2, start_method="fork")
    first, second = (torch.load(tmp_path / f"{rank}.pth", weights_only=True) for rank in range(2))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
