"""Networks of other families, input channels by name, and the rules of Swin UNETR and Primus on whole networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from monai.networks.nets import SwinUNETR as MonaiSwinUNETR

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.errors import TransferError
from rasd_nnu.networks.build import build_network
from rasd_nnu.networks.standard import standard_target
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.transfer import FitOptions, StartOptions, name_map, start, transfer_weights
from rasd_nnu.transfer.correspond import parse_channels
from tests.helpers import architecture


def _target(dims: int = 3, channels: int = 1, **changes: Any) -> NetworkTarget:
    arch = architecture(dims, **changes)
    place = {"dataset": "Dataset901_Tiny", "plans": "nnUNetPlans", "configuration": "3d_fullres"}
    return NetworkTarget(arch, channels, (16,) * dims, (1.0,) * dims, 2, **place)


def _primus(shape: tuple[int, ...], channels: int = 1) -> NetworkTarget:
    kwargs = {
        "embed_dim": 72,
        "patch_embed_size": [8, 8, 8],
        "eva_depth": 2,
        "eva_numheads": 2,
        "input_shape": list(shape),
    }
    described = {
        "network_class_name": "dynamic_network_architectures.architectures.primus.Primus",
        "arch_kwargs": kwargs,
        "_kw_requires_import": [],
    }
    return NetworkTarget(described, channels, shape, (1.0,) * 3, 2, dataset="Dataset901_Tiny")


def _saved(tmp_path: Path, target: NetworkTarget) -> torch.nn.Module:
    network = build_network(target)
    atomic_save(checkpoint_content(network, target, {}), tmp_path / "a.pth")
    return network


def test_families_without_a_common_tensor_are_refused() -> None:
    swin = standard_target(3, "swin-unetr", patch_size=(64, 64, 64))
    with pytest.raises(TransferError, match=r"checkpoint is a SwinUNETR, the plan's network is a U-Net: no tensor"):
        name_map(swin, _target())
    with pytest.raises(TransferError, match=r"checkpoint is a Primus, the plan's network is a SwinUNETR"):
        name_map(_primus((16, 16, 16)), swin)


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [("0,-,1", (), (0, None, 1)), ("t2, T1,T1", ("T1", "T2"), (1, 0, 0)), ("-,-,-", (), (None, None, None))],
)
def test_channels_by_name_or_number(text: str, names: tuple[str, ...], expected: tuple[int | None, ...]) -> None:
    assert parse_channels(text, 2, 3, names) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1", "2 entries; expected 3, one a channel of the plan"),
        ("0,1,2", r"no input channel '2', expected T1, T2 \(0 to 1\) or - for a new one"),
    ],
)
def test_channels_that_do_not_exist(text: str, message: str) -> None:
    with pytest.raises(TransferError, match=message):
        parse_channels(text, 2, 3, ("T1", "T2"))


def test_named_channels_of_a_checkpoint_of_nnunet(tmp_path: Path) -> None:
    theirs, ours = _target(channels=2), _target(channels=3)
    network, stem = build_network(theirs), "encoder.stages.0.0.convs.0.conv.weight"
    atomic_save(checkpoint_content(network, theirs, {}), tmp_path / "a.pth")
    source = open_source(tmp_path / "a.pth")
    planned = build_network(ours)
    report = start(source, ours, planned, StartOptions(transfer="whole", fit=FitOptions(channels="1,-,0")))
    assert report.share_of_parameters() == 1.0
    kernel, new = network.get_parameter(stem), planned.get_parameter(stem)
    assert torch.equal(new[:, [2, 0]], kernel)
    assert (new[:, 1] == 0).all()


def test_2d_into_3d_only_where_asked_for(tmp_path: Path) -> None:
    _saved(tmp_path, _target(2))
    source, ours = open_source(tmp_path / "a.pth"), _target(3)
    with pytest.raises(TransferError, match="it is 2D, the plan is 3D"):
        start(source, ours, build_network(ours), StartOptions(transfer="whole"))
    report = start(source, ours, build_network(ours), StartOptions(transfer="whole", fit=FitOptions(inflate="centre")))
    assert report.share_of_parameters() == 1.0
    assert {e.reason for e in report.entries if e.action == "adapted"} == {"2D kernel to 3D by centre"}


def test_primus_of_another_patch_gets_interpolated_positions(tmp_path: Path) -> None:
    origin = _saved(tmp_path, _primus((32, 16, 16)))
    ours = _primus((16, 16, 48), channels=2)
    network = build_network(ours)
    report = start(open_source(tmp_path / "a.pth"), ours, network, StartOptions(transfer="whole"))
    assert report.share_of_parameters() == 1.0
    assert {e.name: e.reason for e in report.entries if e.action == "adapted"} == {
        "eva.pos_embed": "positions interpolated, grid 4x2x2 -> 2x2x6",
        "down_projection.proj.weight": "input channels 1 -> 2: their sum, 1/2 for each",
    }
    assert {e.part for e in report.entries if e.name.startswith("up_projection")} == {"head"}
    name = "eva.blocks.1.mlp.fc2.weight"
    assert torch.equal(network.get_parameter(name), origin.get_parameter(name))


def test_width_is_for_unets(tmp_path: Path) -> None:
    _saved(tmp_path, _primus((16, 16, 16)))
    ours = _primus((32, 16, 16))
    with pytest.raises(TransferError, match="width is 'pad', but the network is a Primus"):
        start(
            open_source(tmp_path / "a.pth"),
            ours,
            build_network(ours),
            StartOptions(transfer="whole", fit=FitOptions(width="pad")),
        )


def test_swin_with_another_window_gets_interpolated_offsets() -> None:
    theirs = MonaiSwinUNETR(1, 2, feature_size=12, spatial_dims=2, window_size=7)
    ours = MonaiSwinUNETR(3, 2, feature_size=12, spatial_dims=2, window_size=8)
    target = standard_target(2, "swin-unetr", patch_size=(64, 64))
    report = transfer_weights(theirs.state_dict(), ours, names=name_map(target, target))
    reasons = {e.reason for e in report.entries if e.action == "adapted"}
    assert reasons == {"window offsets interpolated, 169 -> 225", "input channels 1 -> 3: their sum, 1/3 for each"}
    adapted = {e.name for e in report.entries if "input" in e.reason}
    assert adapted == {
        "swinViT.patch_embed.proj.weight",
        "encoder1.layer.conv1.conv.weight",
        "encoder1.layer.conv3.conv.weight",
    }
    table = "swinViT.layers1.0.blocks.0.attn.relative_position_bias_table"
    centres = theirs.get_parameter(table)[169 // 2], ours.get_parameter(table)[225 // 2]
    torch.testing.assert_close(*centres)


def test_parts_of_monais_nested_unet() -> None:
    target = standard_target(2, "unet2d", patch_size=(64, 64))
    theirs, ours = build_network(target), build_network(target, feature_channels=2)
    report = transfer_weights(theirs.state_dict(), ours, names=name_map(target, target))
    assert report.share_of_parameters() == 1.0
    parts = {
        part: sum(e.parameters for e in report.entries if e.part == part) for part in ("encoder", "decoder", "head")
    }
    assert parts["encoder"] > parts["decoder"] > parts["head"] > 0
