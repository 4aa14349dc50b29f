"""State dicts of the published architectures, under the published names, end where they belong."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from rasd_nnu.checkpoints.formats import FORMATS
from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.errors import CheckpointError, TransferError
from rasd_nnu.networks.bodies import SwinUNETR
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.transfer import FitOptions, StartOptions, start
from tests.helpers import architecture

SWIN = "rasd_nnu.networks.bodies.SwinUNETR"


@cache
def _swin(channels: int, version2: bool, dims: int = 3) -> nn.Module:
    return SwinUNETR(channels, 14, feature_size=12, dims=dims, use_v2=version2)


def _swin_target(channels: int, version2: bool) -> NetworkTarget:
    kwargs = {"feature_size": 12, "dims": 3, "use_v2": version2}
    described = {"network_class_name": SWIN, "arch_kwargs": kwargs, "_kw_requires_import": []}
    return NetworkTarget(described, channels, (64,) * 3, (1.0,) * 3, 2, dataset="Dataset901_Tiny")


def _voco() -> dict[str, Any]:
    state = {f"module.backbone.{n}": v for n, v in _swin(1, True).state_dict().items() if not n.startswith("decoder")}
    return {
        **state,
        "module.student.layer1.0.weight": torch.zeros(3, 3),
        "module.teacher.layer1.0.weight": torch.ones(3),
    }


def _suprem() -> dict[str, Any]:
    state = {f"module.backbone.{n}": v for n, v in _swin(1, False).state_dict().items()}
    return {"net": {**state, "module.GAP.0.weight": torch.zeros(3), "module.organ_embedding": torch.zeros(2, 4)}}


def _swinvit() -> dict[str, Any]:
    state = {}
    for name, value in _swin(1, False).state_dict().items():
        if name.startswith("swinViT."):
            name = name.removeprefix("swinViT.").replace(".linear1.", ".fc1.").replace(".linear2.", ".fc2.")
            state[f"module.{name}"] = value
    return {"state_dict": {**state, "module.rotation_head.weight": torch.zeros(4, 8)}}


@pytest.mark.parametrize(
    ("format", "content", "version2", "decoder"),
    [("voco", _voco, True, False), ("suprem", _suprem, False, True), ("monai-btcv", _swinvit, False, False)],
)
@pytest.mark.parametrize("channels", [1, 4])
def test_swin_formats(tmp_path: Path, format: str, content: Any, version2: bool, decoder: bool, channels: int) -> None:
    torch.save(content(), tmp_path / "a.pt")
    source = open_source(tmp_path / "a.pt", format)
    assert source.description is not None
    assert source.description.architecture["arch_kwargs"] == {"feature_size": 12, "dims": 3, "use_v2": version2}
    network, origin = SwinUNETR(channels, 3, feature_size=12, use_v2=version2), _swin(1, version2)
    report = start(source, _swin_target(channels, version2), network, StartOptions(transfer="whole"))
    assert report.share_of_parameters("encoder") == 1.0
    assert (report.share_of_parameters("decoder") == 1.0) == decoder
    stem = "swinViT.patch_embed.proj.weight"
    assert torch.equal(
        network.get_parameter(stem), (origin.get_parameter(stem) / channels).repeat(1, channels, 1, 1, 1)
    )
    name = "swinViT.layers4.0.blocks.1.mlp.linear2.weight"
    assert torch.equal(network.get_parameter(name), origin.get_parameter(name))


def test_fine_tuned_swin_of_monai(tmp_path: Path) -> None:
    torch.save({"state_dict": _swin(1, False).state_dict(), "epoch": 3}, tmp_path / "a.pt")
    source = open_source(tmp_path / "a.pt", "monai-btcv")
    report = start(
        source, _swin_target(1, False), SwinUNETR(1, 14, feature_size=12, use_v2=False), StartOptions(transfer="whole")
    )
    assert report.share_of_parameters() == 1.0


def test_first_version_does_not_fill_the_second(tmp_path: Path) -> None:
    torch.save(_suprem(), tmp_path / "a.pt")
    source = open_source(tmp_path / "a.pt", "suprem")
    with pytest.raises(TransferError, match=r"of the encoder's parameters fit.*swinViT\.layers1c"):
        start(source, _swin_target(1, True), SwinUNETR(1, 3, feature_size=12), StartOptions(transfer="whole"))


@pytest.mark.parametrize("format", FORMATS)
def test_wrong_format_is_said(tmp_path: Path, format: str) -> None:
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=rf"not of format '{format}': expected .*found fc\.weight"):
        open_source(tmp_path / "a.pt", format)


def test_versions_of_swin_are_told_apart_and_unknown_formats_listed(tmp_path: Path) -> None:
    torch.save(_suprem(), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="not of format 'voco': expected MONAI's SwinUNETR version 2"):
        open_source(tmp_path / "a.pt", "voco")
    with pytest.raises(CheckpointError, match=r"unknown format 'vocco', expected .*Did you mean 'voco'"):
        open_source(tmp_path / "a.pt", "vocco")


def _resencl() -> NetworkTarget:
    """nnssl's ResEncL, narrow: 32 ... 320 features become 4 ... 8."""
    arch = architecture(3, (4, 8, 8, 8, 8, 8))
    arch["network_class_name"] = arch["network_class_name"].replace("PlainConvUNet", "ResidualEncoderUNet")
    del arch["arch_kwargs"]["n_conv_per_stage"]
    arch["arch_kwargs"]["n_blocks_per_stage"] = [1, 3, 4, 6, 6, 6]
    return NetworkTarget(arch, 1, (64,) * 3, (1.0,) * 3, 2)


def _nnssl_plan(prefix: str, **changes: Any) -> dict[str, Any]:
    return {
        "architecture_plans": {"arch_class_name": "ResEncL", "arch_kwargs": None, "arch_kwargs_requiring_import": None},
        "pretrain_plan": {"configurations": {"onemmiso": {"spacing": [1, 1, 1], "patch_size": [160, 160, 160]}}},
        "pretrain_num_input_channels": 1,
        "recommended_downstream_patchsize": [160, 160, 160],
        "key_to_encoder": f"{prefix}encoder.stages",
        "key_to_stem": f"{prefix}encoder.stem",
        "keys_to_in_proj": [f"{prefix}encoder.stem.convs.0.conv", f"{prefix}encoder.stem.convs.0.all_modules.0"],
        "key_to_lpe": None,
        **changes,
    }


@pytest.mark.parametrize("prefix", ["", "student.net."])
def test_nnssl_resencl(tmp_path: Path, prefix: str) -> None:
    target = _resencl()
    network = build_network(target)
    state = {f"{prefix}{n}": v for n, v in network.state_dict().items()} | {"projector.weight": torch.zeros(2, 2)}
    content = {"network_weights": state, "nnssl_adaptation_plan": _nnssl_plan(prefix), "citations": []}
    torch.save(content, tmp_path / "a.pth")
    source = open_source(tmp_path / "a.pth", "nnssl-resencl")
    assert source.description is not None
    assert source.description.architecture == target.architecture  # the preset's name says no more than the weights
    assert source.description.patch_size == (160, 160, 160)
    report = start(source, target, build_network(target), StartOptions(transfer="whole"))
    assert report.share_of_parameters() == 1.0


def test_nnssl_plan_with_keyword_arguments(tmp_path: Path) -> None:
    target = _resencl()
    described = {
        "arch_class_name": target.architecture["network_class_name"],
        "arch_kwargs": target.architecture["arch_kwargs"],
        "arch_kwargs_requiring_import": target.architecture["_kw_requires_import"],
    }
    plan = _nnssl_plan("", architecture_plans=described)
    plan["pretrain_plan"]["configurations"]["onemmiso"]["spacing"] = None
    state = {"encoder.stem.convs.0.conv.weight": torch.zeros(4, 1, 3, 3, 3)}
    torch.save({"network_weights": state, "nnssl_adaptation_plan": plan}, tmp_path / "a.pth")
    description = open_source(tmp_path / "a.pth").description
    assert description is not None
    assert description.architecture == target.architecture
    assert description.spacing == (1.0, 1.0, 1.0)


class Anatomix(nn.Module):
    """The published layout: one sequence of convolution, norm, activation; maxima down, repetition up."""

    def __init__(self, levels: int, width: int) -> None:
        super().__init__()
        self.layers: list[nn.Module] = []
        self._block(1, width)
        for level in range(levels + 1):
            wide = width * 2**level
            self._block(wide if level == 0 else wide // 2, wide)
            self._block(wide, wide)
            if level < levels:
                self.layers.append(nn.MaxPool3d(2))
        for level in range(levels - 1, -1, -1):
            wide = width * 2**level
            self.layers.append(nn.Upsample(scale_factor=2))
            self._block(3 * wide, wide)
            self._block(wide, wide)
        self.layers.append(nn.Conv3d(width, width, 3, bias=False))
        self.model = nn.Sequential(*self.layers)

    def _block(self, inputs: int, outputs: int) -> None:
        self.layers += [nn.Conv3d(inputs, outputs, 3, bias=False), nn.BatchNorm3d(outputs), nn.ReLU()]


def test_anatomix(tmp_path: Path) -> None:
    origin = Anatomix(2, 4)
    torch.save({f"model.{n}": v for n, v in origin.model.state_dict().items()}, tmp_path / "a.pth")
    source = open_source(tmp_path / "a.pth", "anatomix")
    assert source.description is not None
    kwargs = source.description.architecture["arch_kwargs"]
    assert kwargs["features_per_stage"] == [4, 8, 16]
    assert kwargs["n_conv_per_stage"] == [3, 2, 2]
    assert kwargs["norm_op"] == "torch.nn.modules.batchnorm.BatchNorm3d"
    arch = architecture(3, n_conv_per_stage=[3, 2, 2])
    network = build_network(NetworkTarget(arch, 1, (16,) * 3, (1.0,) * 3, 2))
    target = NetworkTarget(arch, 1, (16,) * 3, (1.0,) * 3, 2, dataset="Dataset901_Tiny")
    report = start(source, target, network, StartOptions(transfer="whole"))
    kernels = [m.weight for m in origin.model if isinstance(m, nn.Conv3d)][:7]
    ours = [p for n, p in network.named_parameters() if n.startswith("encoder.") and n.endswith(".conv.weight")]
    assert all(torch.equal(a, b) for a, b in zip(kernels, ours, strict=True))
    left = [e.name for e in report.entries if e.part == "encoder" and e.action == "left"]
    assert left
    assert all(name.endswith("conv.bias") for name in left)  # instance norm takes a bias off again
    assert report.share_of_tensors("decoder") == 0


def test_width_of_anatomix_is_padded_where_asked_for_and_warned_of(tmp_path: Path) -> None:
    torch.save({f"model.{n}": v for n, v in Anatomix(2, 4).model.state_dict().items()}, tmp_path / "a.pth")
    arch = architecture(3, (8, 16, 32), n_conv_per_stage=[3, 2, 2])
    target = NetworkTarget(arch, 1, (16,) * 3, (1.0,) * 3, 2, dataset="Dataset901_Tiny")
    source = open_source(tmp_path / "a.pth", "anatomix")
    with pytest.raises(TransferError, match="width"):
        start(source, target, build_network(target), StartOptions(transfer="whole"))
    report = start(source, target, build_network(target), StartOptions(transfer="whole", fit=FitOptions(width="pad")))
    assert "channels have no order" in report.warnings[0]
    assert "warning: the widths of" in report.table()
    assert report.to_dict()["warnings"] == list(report.warnings)
