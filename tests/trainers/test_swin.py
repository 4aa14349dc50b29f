from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from rasd_nnu import trainers
from rasd_nnu.checkpoints.arms import add_arm
from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.checkpoints.registry import default_path
from rasd_nnu.networks.build import build_network
from rasd_nnu.networks.standard import standard_target
from rasd_nnu.nnunet.env import trainers_folder
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.trainers import swin
from rasd_nnu.trainers.optimizers import layer_numbers
from tests.helpers import TinyDataset
from tests.trainers.helpers import make_trainer, weights_of

pytest.importorskip("monai")


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the width, so that files and matrices are small; the widths scale alike."""

    def narrow(*args: Any, **options: Any) -> NetworkTarget:
        target = standard_target(*args, **options)
        target.architecture["arch_kwargs"]["feature_size"] = 12
        return target

    monkeypatch.setattr(swin, "standard_target", narrow)


@pytest.fixture
def wide(tiny: TinyDataset) -> TinyDataset:
    """The data set with a 2D patch that Swin UNETR takes."""
    tiny.plans["configurations"]["2d_swin"] = {"inherits_from": "2d", "patch_size": [32, 64]}
    (tiny.preprocessed / "nnUNetPlans.json").write_text(json.dumps(tiny.plans))
    return tiny


def test_patch_that_does_not_fit_is_refused_with_one_that_does(
    tiny: TinyDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        make_trainer(tiny, "RaSDTrainer_SwinUNETR")
    line = capsys.readouterr().err
    assert "configuration '3d_fullres' of plans 'nnUNetPlans' has the patch [16, 16, 16]" in line
    assert '"3d_fullres_swin": {"inherits_from": "3d_fullres", "patch_size": [32, 32, 64]}' in line


def test_recipe_is_the_papers(wide: TinyDataset) -> None:
    trainer = make_trainer(wide, "RaSDTrainer_SwinUNETR_scratch_2epochs", "2d_swin")
    assert (trainer.recipe.optimizer, trainer.initial_lr, trainer.weight_decay) == ("adamw", 3e-4, 1e-5)
    assert not trainer.enable_deep_supervision
    assert trainer._get_deep_supervision_scales() is None


@pytest.mark.parametrize("dims", [2, 3])
def test_prediction_builds_the_trained_network(tiny: TinyDataset, dims: int) -> None:
    configuration = "2d" if dims == 2 else "3d_fullres"
    tiny.plans["configurations"]["swin"] = {"inherits_from": configuration, "patch_size": [32, 64, 32][:dims]}
    plans = PlansManager(tiny.plans)
    build = trainers.RaSDTrainer_SwinUNETR.build_network_architecture
    networks = [build(plans, plans.get_configuration("swin"), 2, 3, deep) for deep in (True, False)]
    shapes = [{name: value.shape for name, value in n.state_dict().items()} for n in networks]
    assert shapes[0] == shapes[1]
    assert shapes[0]["out.conv.conv.weight"] == (3, 12, *[1] * dims)
    assert shapes[0]["swinViT.patch_embed.proj.weight"][:2] == (12, 2)


def test_layers_are_numbered_from_the_image_to_the_head() -> None:
    numbers = layer_numbers(build_network(swin.standard_target(2, "swin-unetr")))
    assert numbers["swinViT.patch_embed.proj.weight"] == numbers["encoder1.layer.conv1.conv.weight"] == 0
    assert {number for name, number in numbers.items() if name.startswith("swinViT.layers4")} == {4}
    assert sum(name.startswith("swinViT.layers4c.") for name in numbers) > 0
    assert numbers["decoder1.transp_conv.conv.weight"] == 10
    assert numbers["out.conv.conv.weight"] == max(numbers.values()) == 11


def _standard_checkpoint() -> dict[str, torch.Tensor]:
    target = swin.standard_target(2, "swin-unetr")
    network = build_network(target)
    atomic_save(checkpoint_content(network, target, {}), default_path(target, "swin-unetr"))
    return dict(network.named_parameters())


def test_starts_from_the_standard_network(
    wide: TinyDataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nnUNetTrainer, "on_train_start", lambda self: None)
    missing = make_trainer(wide, "RaSDTrainer_SwinUNETR_1epochs", "2d_swin")
    with pytest.raises(SystemExit):
        missing.on_train_start()
    assert "`rasd_nnu pretrain -d 2d --arch swin-unetr --budget 1h`" in capsys.readouterr().err
    source = _standard_checkpoint()
    monkeypatch.setenv("RASD_TRANSFER", "whole")
    trainer = make_trainer(wide, "RaSDTrainer_SwinUNETR_1epochs", "2d_swin")
    trainer.on_train_start()
    report = json.loads((Path(trainer.output_folder) / "transfer_report.json").read_text())
    assert report["checkpoint"]["chosen_by"] == "standard network"
    assert report["transfer"]["shares"]["all"]["parameters"] == 1.0
    carried = {name: value for name, value in weights_of(trainer).items() if not name.startswith("out.")}
    assert all(torch.equal(value, source[name]) for name, value in carried.items())


def test_first_version_takes_the_weights_that_are_public_for_it(
    wide: TinyDataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(nnUNetTrainer, "on_train_start", lambda self: None)
    origin = build_network(swin.standard_target(2, "swin-unetr-v1"))
    state = {f"module.backbone.{name}": value for name, value in origin.state_dict().items()}
    torch.save({"net": {**state, "module.organ_embedding": torch.zeros(2)}}, wide.root / "suprem.pth")
    add_arm("suprem", wide.root / "suprem.pth", "suprem")
    trainer = make_trainer(wide, "RaSDTrainer_SwinUNETRv1_fromsuprem_1epochs", "2d_swin")
    trainer.on_train_start()
    report = json.loads((Path(trainer.output_folder) / "transfer_report.json").read_text())
    assert (report["arm"], report["transfer"]["shares"]["all"]["parameters"]) == ("suprem", 1.0)
    name = "decoder3.conv_block.conv1.conv.weight"
    assert torch.equal(trainer.network.get_parameter(name), origin.get_parameter(name))
    with pytest.raises(SystemExit):  # the second version has residual convolutions that the weights lack
        make_trainer(wide, "RaSDTrainer_SwinUNETR_fromsuprem_1epochs", "2d_swin").on_train_start()
    assert "of the encoder's parameters fit" in capsys.readouterr().err


@pytest.mark.slow
def test_train_validate_and_predict(wide: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("nnUNet_extTrainer", str(trainers_folder()))
    name = "RaSDTrainer_SwinUNETR_scratch_1epochs_1iters"
    trainer = make_trainer(wide, name, "2d_swin")
    trainer.run_training()
    trainer.set_deep_supervision_enabled(False)
    predictor = nnUNetPredictor(use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(trainer.output_folder_base, (0,))
    assert predictor.trainer_name == name
    logits = predictor.predict_sliding_window_return_logits(torch.zeros(1, 2, 40, 70))
    assert logits.shape == (3, 2, 40, 70)
