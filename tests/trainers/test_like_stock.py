"""With the same recipe and no weights of ours, our trainer ends with the very weights and scores of nnU-Net's own."""

from __future__ import annotations

import copy
import json
import multiprocessing
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from nnunetv2.training.logging.nnunet_logger import MetaLogger
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from rasd_nnu.trainers.seeding import seed_everything
from tests import helpers
from tests.helpers import CASES, TinyDataset, tiny_dataset
from tests.trainers.helpers import make_trainer, weights_of

NAME = "RaSDTrainer_scratch_2epochs_1iters_seed3"
LABELS: dict[str, dict[str, Any]] = {
    "plain": {},
    "regions": {"labels": {"background": 0, "both": [1, 2], "dark": 2}, "regions_class_order": [1, 2]},
    "ignore": {"labels": {"background": 0, "bright": 1, "ignore": 2}},
}


class SeededStock(nnUNetTrainer):
    """nnU-Net's trainer for two epochs of one iteration, seeded where ours is."""

    def __init__(self, plans: Any, configuration: Any, fold: Any, dataset_json: Any, device: Any) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 2, 1, 1

    def initialize(self) -> None:
        seed_everything(3)
        super().initialize()

    def on_epoch_start(self) -> None:
        seed_everything(3, 1, self.current_epoch)
        super().on_epoch_start()


def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: str) -> TinyDataset:
    data = tiny_dataset(tmp_path, monkeypatch)
    data.dataset_json.update(LABELS[labels])
    (data.preprocessed / "dataset.json").write_text(json.dumps(data.dataset_json))
    helpers._preprocess(data, "3d_fullres", [f"case_{i}" for i in range(CASES)])
    return data


def _add_cascade(data: TinyDataset) -> None:
    """Add a low-resolution stage, and what it would have predicted for the trainers: the truth."""
    data.plans["configurations"]["3d_lowres"] = {"inherits_from": "3d_fullres", "next_stage": "3d_cascade"}
    data.plans["configurations"]["3d_cascade"] = {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}
    folder = data.preprocessed / "nnUNetPlans_3d_fullres"
    for trainer in (NAME, SeededStock.__name__):
        predicted = data.results / f"{trainer}__nnUNetPlans__3d_lowres" / "predicted_next_stage" / "3d_cascade"
        predicted.mkdir(parents=True)
        for i in range(CASES):
            _, seg, _, _ = nnUNetDatasetBlosc2(str(folder), [f"case_{i}"]).load_case(f"case_{i}")
            nnUNetDatasetBlosc2.save_seg(seg[0], str(predicted / f"case_{i}"))


@pytest.mark.parametrize(
    ("labels", "configuration", "fold"),
    [
        ("plain", "3d_fullres", 0),
        ("plain", "3d_fullres", "all"),
        ("regions", "3d_fullres", 0),
        ("ignore", "3d_fullres", 0),
        ("plain", "3d_cascade", 0),
    ],
)
def test_training_equals_nnunets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: str, configuration: str, fold: int | str
) -> None:
    data = _data(tmp_path, monkeypatch, labels)
    if configuration == "3d_cascade":
        _add_cascade(data)
    # With one iteration an epoch and no warm-up, a rate set each iteration is one set each epoch.
    monkeypatch.setenv("RASD_WARMUP", "0")
    monkeypatch.setattr(nnUNetTrainer, "plot_network_architecture", lambda self: None)
    monkeypatch.setattr(MetaLogger, "plot_progress_png", lambda self, folder: None)
    # nnU-Net's final validation starts processes, which takes many times longer than what they do.
    monkeypatch.setattr(multiprocessing, "get_context", lambda kind: SimpleNamespace(Pool=ThreadPool))
    ours = make_trainer(data, NAME, configuration, fold)
    ours.run_training()
    plans = copy.deepcopy(data.plans) | {"continue_training": False}
    stock = SeededStock(plans, configuration, fold, data.dataset_json, torch.device("cpu"))
    stock.run_training()
    theirs = weights_of(stock)
    assert all(torch.equal(value, theirs[name]) for name, value in weights_of(ours).items())
    assert ours.do_split() == stock.do_split()
    assert type(ours.loss) is type(stock.loss)
    assert ours.logger.get_checkpoint()["lrs"] == stock.logger.get_checkpoint()["lrs"]
    assert _validation(ours) == _validation(stock)


def _validation(trainer: Any) -> Any:
    """Return what nnU-Net's final validation found."""
    trainer.perform_actual_validation(False)
    summary = json.loads((Path(trainer.output_folder) / "validation" / "summary.json").read_text())
    cases = summary["metric_per_case"]
    assert len(cases) == len(trainer.do_split()[1])
    return json.dumps([case["metrics"] for case in cases])  # text, as NaN differs from itself
