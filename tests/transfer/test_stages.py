from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.errors import CheckpointError, TransferError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.transfer import StartOptions, name_map, start, transfer_weights
from rasd_nnu.transfer.stages import match_stages, stage_octaves
from tests.helpers import architecture, tiny_plans

ISO = [[1, 1, 1], [2, 2, 2], [2, 2, 2]]
WIDTHS = (4, 8, 16, 16)


def _target(
    strides: list[list[int]] = ISO,
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0),
    channels: int = 1,
    residual: bool = False,
    **changes: Any,
) -> NetworkTarget:
    arch = architecture(len(spacing), WIDTHS[: len(strides)], strides=strides, **changes)
    if residual:
        arch["network_class_name"] = arch["network_class_name"].replace("PlainConvUNet", "ResidualEncoderUNet")
        arch["arch_kwargs"]["n_blocks_per_stage"] = arch["arch_kwargs"].pop("n_conv_per_stage")
    place = {"dataset": "Dataset901_Tiny", "plans": "nnUNetPlans", "configuration": "3d_fullres"}
    return NetworkTarget(arch, channels, (16,) * len(spacing), spacing, 2, **place)


def _start(tmp_path: Path, theirs: NetworkTarget, ours: NetworkTarget) -> tuple[Any, torch.nn.Module, torch.nn.Module]:
    source, network = build_network(theirs), build_network(ours)
    atomic_save(checkpoint_content(source, theirs, {}), tmp_path / "a.pth")
    return start(open_source(tmp_path / "a.pth"), ours, network, StartOptions(transfer="whole")), source, network


@pytest.mark.parametrize(
    ("strides", "spacing", "octaves"),
    [
        (ISO, (1.0, 1.0, 1.0), [0, 1, 2]),
        ([[1, 1, 1], [1, 2, 2], [1, 2, 2], [2, 2, 2]], (10.0, 1.4, 1.4), [0, 1, 2, 3]),
        ([[1, 1, 1], [2, 2, 2], [2, 2, 1]], (1.0, 1.0, 1.0), [0, 1, 2]),
        ([[1, 1], [2, 2], [2, 1]], (0.5, 0.5), [0, 1, 2]),
    ],
)
def test_octaves(strides: list[list[int]], spacing: tuple[float, ...], octaves: list[float]) -> None:
    assert stage_octaves(_target(strides, spacing)) == pytest.approx(octaves)


def test_stages_match_in_order_by_resolution() -> None:
    assert match_stages([0, 1, 2, 3], [0, 1, 2]) == [0, 1, 2]
    assert match_stages([0, 1, 2], [0, 1, 2, 3]) == [0, 1, 2, None]
    assert match_stages([0, 1, 2, 3], [0, 2, 3]) == [0, 2, 3]
    assert match_stages([0, 1, 2], [0, 0, 1, 2]) == [0, 1, 2, None]


def test_thin_slices_collapse_kernels_and_keep_every_stage(tmp_path: Path) -> None:
    ours = _target([[1, 1, 1], [1, 2, 2], [2, 2, 2]], (10.0, 1.4, 1.4), kernel_sizes=[[1, 3, 3], [3, 3, 3], [3, 3, 3]])
    report, source, network = _start(tmp_path, _target(), ours)
    assert report.share_of_parameters() == 1.0
    adapted = {e.name: e.reason for e in report.entries if e.action == "adapted"}
    assert adapted == {
        "encoder.stages.0.0.convs.0.conv.weight": "kernel axis 0: 3 -> 1",
        "decoder.stages.1.convs.0.conv.weight": "kernel axis 0: 3 -> 1",
        "decoder.transpconvs.1.weight": "stride along axis 0: 2 -> 1",
    }
    name = "decoder.transpconvs.1.weight"
    assert torch.equal(network.get_parameter(name), source.get_parameter(name).mean(2, keepdim=True))


def test_decoder_is_aligned_from_full_resolution_down(tmp_path: Path) -> None:
    four = [*ISO, [2, 2, 2]]
    report, source, network = _start(tmp_path, _target(four), _target())
    assert report.share_of_parameters() == 1.0
    for ours, theirs in (("decoder.stages.1", "decoder.stages.2"), ("encoder.stages.2", "encoder.stages.2")):
        a, b = network.get_submodule(ours).state_dict(), source.get_submodule(theirs).state_dict()
        assert all(torch.equal(a[key], b[key]) for key in b)


def test_extra_stage_stays_random_and_is_said() -> None:
    theirs, ours = _target(), _target([*ISO, [2, 2, 2]])
    weights, network = build_network(theirs).state_dict(), build_network(ours)
    report = transfer_weights(weights, network, required=0.0, names=name_map(theirs, ours))
    left = {e.name.rsplit(".", 2)[0]: e.reason for e in report.entries if e.action == "left" and e.part != "head"}
    assert set(left) == {"encoder.stages.3.0.convs.0", "decoder.stages.0.convs.0", "decoder.transpconvs"}
    assert set(left.values()) == {"nothing in the checkpoint corresponds to it"}
    assert report.share_of_tensors("encoder") == 3 / 4


def test_channels_of_the_image(tmp_path: Path) -> None:
    report, source, network = _start(tmp_path, _target(), _target(channels=4))
    stem = "encoder.stages.0.0.convs.0.conv.weight"
    reason = "input channels 1 -> 4: their sum, 1/4 for each"
    assert [(e.name, e.reason) for e in report.entries if e.action == "adapted"] == [(stem, reason)]
    assert torch.equal(network.get_parameter(stem), (source.get_parameter(stem) / 4).repeat(1, 4, 1, 1, 1))


def test_plain_and_residual_share_first_convolutions_only() -> None:
    plain, residual = _target(), _target(residual=True)
    to_residual, to_plain = name_map(plain, residual), name_map(residual, plain)
    names = {
        "encoder.stem.convs.0.conv.weight": "encoder.stages.0.0.convs.0.conv.weight",
        "encoder.stages.1.blocks.0.conv1.conv.weight": "encoder.stages.1.0.convs.0.conv.weight",
    }
    for residual_name, plain_name in names.items():
        assert to_residual(residual_name) == plain_name
        assert to_plain(plain_name) == residual_name
    for name in ("encoder.stages.0.blocks.0.conv1.conv.weight", "decoder.stages.0.convs.0.conv.weight"):
        assert to_residual(name) is None


def test_other_width_is_refused_with_both_shapes(tmp_path: Path) -> None:
    wide = _target()
    wide.architecture["arch_kwargs"]["features_per_stage"] = [8, 16, 32]
    with pytest.raises(
        TransferError, match=r"only 0.0% of the encoder.*width \[8, 1\] in the checkpoint against \[4, 1\]"
    ):
        _start(tmp_path, wide, _target())


def test_checkpoint_of_stock_nnunet_and_bare_state_dict(tmp_path: Path) -> None:
    plans = tiny_plans()
    dataset_json = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1}, "file_ending": ".nii.gz"}
    network = build_network(NetworkTarget(architecture(3), 1, (16,) * 3, (1.0,) * 3, 2))
    state = network.state_dict()
    init = {"plans": plans, "configuration": "3d_fullres", "fold": 0, "dataset_json": dataset_json}
    stock = {"network_weights": state, "init_args": init, "_best_ema": np.float64(0.5), "logging": [np.float32(1)]}
    torch.save(stock, tmp_path / "stock.pth")
    torch.save({"state_dict": {f"module._orig_mod.{n}": v for n, v in state.items()}}, tmp_path / "bare.pth")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    stock_source, bare = open_source(tmp_path / "stock.pth"), open_source(tmp_path / "bare.pth")
    assert stock_source.description is not None
    assert stock_source.description.architecture == architecture(3)
    assert bare.description is not None
    assert bare.description.architecture == architecture(3)
    assert list(bare.weights) == list(stock_source.weights) == list(state)
    with pytest.raises(CheckpointError, match="holds no weights"):
        open_source(tmp_path / "empty.pth")
