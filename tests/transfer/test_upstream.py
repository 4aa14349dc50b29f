"""Mismatches that stop nnU-Net's own ``-pretrained_weights`` (its issues #2760, #2152 and #2252), and what we do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from nnunetv2.run.load_pretrained_weights import load_pretrained_weights

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.errors import TransferError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.transfer import StartOptions, TransferReport, start
from tests.helpers import architecture


def _target(dims: int = 3, channels: int = 1, last_stride: tuple[int, ...] | None = None) -> NetworkTarget:
    arch = architecture(dims)
    if last_stride:
        arch["arch_kwargs"]["strides"] = [[1] * dims, [2] * dims, list(last_stride)]
    place = {"dataset": "Dataset901_Tiny", "plans": "nnUNetPlans", "configuration": "3d_fullres"}
    return NetworkTarget(arch, channels, (16,) * dims, (1.0,) * dims, 2, **place)


def _start(tmp_path: Path, theirs: NetworkTarget, ours: NetworkTarget) -> TransferReport:
    """Show that nnU-Net stops at an assertion, then start our way."""
    path, network = tmp_path / "a.pth", build_network(ours)
    atomic_save(checkpoint_content(build_network(theirs), theirs, {}), path)
    with pytest.raises(AssertionError, match="is not the same"):
        load_pretrained_weights(network, str(path))
    return start(open_source(path), ours, network, StartOptions(transfer="whole"))


def test_2760_transposed_convolution_of_another_stride(tmp_path: Path) -> None:
    report = _start(tmp_path, _target(), _target(last_stride=(2, 2, 1)))
    assert report.share_of_parameters() == 1.0
    adapted = [(e.name, e.shape, e.reason) for e in report.entries if e.action == "adapted"]
    assert adapted == [("decoder.transpconvs.0.weight", (16, 8, 2, 2, 1), "stride along axis 2: 2 -> 1")]
    assert "decoder.transpconvs.0.weight [16, 8, 2, 2, 1]: stride along axis 2: 2 -> 1" in report.table()


def test_2152_3d_weights_into_a_2d_plan(tmp_path: Path) -> None:
    with pytest.raises(TransferError) as error:
        _start(tmp_path, _target(3), _target(2))
    message = str(error.value)
    assert "it is 3D, the plan is 2D" in message
    assert "Dataset901_Tiny, plans nnUNetPlans, configuration 3d_fullres" in message
    assert "Pre-train that network: rasd_nnu pretrain --dataset 901" in message
    assert "tensor(" not in message  # nnU-Net's message holds the weights themselves
    assert len(message) < 400


def test_2252_other_number_of_channels(tmp_path: Path) -> None:
    report = _start(tmp_path, _target(channels=4), _target(channels=7))
    assert report.share_of_parameters() == 1.0
    adapted = [(e.name, e.reason) for e in report.entries if e.action == "adapted"]
    assert adapted == [("encoder.stages.0.0.convs.0.conv.weight", "input channels 4 -> 7: their sum, 1/7 for each")]


def test_batch_norm_into_instance_norm_keeps_scale_and_shift(tmp_path: Path) -> None:
    theirs, ours = _target(), _target()
    theirs.architecture["arch_kwargs"]["norm_op"] = "torch.nn.modules.batchnorm.BatchNorm3d"
    origin, network = build_network(theirs), build_network(ours)
    scale = "encoder.stages.0.0.convs.0.norm.weight"
    torch.nn.init.normal_(origin.get_parameter(scale))
    atomic_save(checkpoint_content(origin, theirs, {}), tmp_path / "a.pth")
    report = start(open_source(tmp_path / "a.pth"), ours, network, StartOptions(transfer="whole"))
    assert report.share_of_parameters() == 1.0
    assert torch.equal(network.get_parameter(scale), origin.get_parameter(scale))
