from __future__ import annotations

import importlib.util

import pytest
import torch
from monai.networks.nets import SwinUNETR as MonaiSwinUNETR
from nnunetv2.experiment_planning.experiment_planners.residual_unets import residual_encoder_unet_planners as planners

from rasd_nnu.errors import ConfigError, SetupError
from rasd_nnu.networks import bodies
from rasd_nnu.networks.build import build_network
from rasd_nnu.networks.standard import ARCHITECTURES, standard_target
from rasd_nnu.nnunet.plans import NetworkTarget
from tests.helpers import architecture


@pytest.mark.parametrize(
    ("dims", "arch", "patch"),
    [
        (3, "plain", (16, 16, 16)),
        (3, "plain", (8, 32, 32)),
        (2, "plain", (32, 32)),
        (3, "resenc-m", (16, 16, 16)),
        (2, "resenc-l", (32, 32)),
        (3, "primus-s", (16, 24, 16)),
        (3, "swin-unetr", (64, 32, 32)),
        (2, "swin-unetr", (64, 64)),
        (2, "unet2d", (32, 48)),
    ],
)
def test_features_at_full_resolution_and_a_gradient_everywhere(dims: int, arch: str, patch: tuple[int, ...]) -> None:
    target = standard_target(dims, arch, channels=2, patch_size=patch)
    network = build_network(target)
    features = network(torch.randn(2, 2, *patch))
    assert features.shape == (2, 32, *patch)
    features.square().mean().backward()
    # DistributedDataParallel waits for ever for a parameter that is trained but gets no gradient.
    assert not [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    for key in ("key_to_encoder", "key_to_stem"):
        if hasattr(network, key):
            network.get_submodule(getattr(network, key))


def test_planned_network_with_deep_supervision_heads_has_them_frozen() -> None:
    network = build_network(NetworkTarget(architecture(3, (4, 8, 16)), 1, (16,) * 3, (1.0,) * 3, 2))
    network(torch.randn(1, 1, 16, 16, 16)).sum().backward()
    frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
    assert frozen and all("seg_layers.0" in name for name in frozen)
    assert not [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]


def test_convolutional_networks_are_the_planners() -> None:
    kwargs = standard_target(3, "resenc-m").architecture["arch_kwargs"]
    assert kwargs["features_per_stage"] == [32, 64, 128, 256, 320, 320]
    assert kwargs["n_blocks_per_stage"] == [1, 3, 4, 6, 6, 6]
    assert kwargs["strides"] == [[1, 1, 1]] + [[2, 2, 2]] * 5
    assert kwargs["kernel_sizes"] == [[3, 3, 3]] * 6
    assert standard_target(2).architecture["arch_kwargs"]["features_per_stage"] == [32, 64, 128, 256, *[512] * 4]
    thin = standard_target(3, patch_size=(16, 64, 64)).architecture["arch_kwargs"]
    assert thin["strides"][1:] == [[2, 2, 2], [2, 2, 2], [1, 2, 2], [1, 2, 2]]


@pytest.mark.slow
@pytest.mark.parametrize("size", ["m", "l", "xl"])
@pytest.mark.parametrize("dims", [2, 3])
def test_resenc_defaults_fill_the_memory_that_the_planner_aims_at(size: str, dims: int) -> None:
    planner = getattr(planners, f"nnUNetPlannerResEnc{size.upper()}")
    limits = {"m": (135e6, 680e6), "l": (380e6, 2100e6), "xl": (560e6, 3600e6)}
    assert planner.__init__.__defaults__[0] == {"m": 8, "l": 24, "xl": 40}[size]
    target = standard_target(dims, f"resenc-{size}")
    estimate = build_network(target, 3).compute_conv_feature_map_size(target.patch_size)  # type: ignore[operator]
    reference_batch = 2 if dims == 3 else 12
    assert target.batch_size == max(2, round(limits[size][dims - 2] / estimate * reference_batch))


def test_defaults_are_the_papers() -> None:
    for dims, patch, batch in ((3, (128,) * 3, 2), (2, (512, 512), 16)):
        for arch in ("plain", "swin-unetr"):
            target = standard_target(dims, arch)
            assert (target.patch_size, target.batch_size) == (patch, batch)
    swin = standard_target(3, "swin-unetr").architecture
    assert swin == {
        "network_class_name": "rasd_nnu.networks.bodies.SwinUNETR",
        "arch_kwargs": {"feature_size": 48, "dims": 3},
        "_kw_requires_import": [],
    }


@pytest.mark.parametrize(
    ("dims", "arch", "patch", "message"),
    [
        (3, "resenc", None, r"unknown architecture 'resenc', expected one of plain, .* Did you mean 'resenc-"),
        (2, "primus-b", None, r"primus-b does not exist in 2D, expected one of plain, resenc-m, .* with -d 2d"),
        (3, "unet2d", None, r"unet2d does not exist in 3D"),
        (3, "primus-s", (64, 60, 64), r"must be divisible by 8 for primus-s.* --patch 64,64,64"),
        (3, "swin-unetr", (48, 64, 64), r"must be divisible by 32 for swin-unetr.* --patch 64,64,64"),
        (2, "swin-unetr", (32, 32), r"too small for swin-unetr, expected 64 or more"),
        (2, "unet2d", (40, 48), r"must be divisible by 16 for unet2d.* --patch 48,48"),
        (3, "plain", (50, 64, 64), r"must be divisible by .* --patch 56,64,64"),
        (3, "resenc-m", (4, 64, 64), r"too small for a U-Net, expected at least 8 voxels"),
        (3, "plain", (64, 64), r"has 2 axes, expected 3"),
    ],
)
def test_refusals(dims: int, arch: str, patch: tuple[int, ...] | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        standard_target(dims, arch, patch_size=patch)


def test_monai_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for arch in (name for name, entry in ARCHITECTURES.items() if entry.monai):
        with pytest.raises(SetupError, match=rf"{arch} needs MONAI.* pip install 'rasd-nnu\[monai\]'"):
            standard_target(2, arch)
    with pytest.raises(SetupError, match="SwinUNETR needs MONAI"):
        _ = bodies.SwinUNETR
    assert standard_target(2, "plain").dims == 2


def test_swin_unetr_has_monais_names_and_no_deep_supervision() -> None:
    ours = bodies.SwinUNETR(1, 32, feature_size=12, dims=2)
    theirs = MonaiSwinUNETR(in_channels=1, out_channels=32, feature_size=12, spatial_dims=2, use_v2=True)
    theirs.load_state_dict(ours.state_dict())
    for network in (bodies.SwinUNETR, bodies.ResidualUnet2d):
        with pytest.raises(ConfigError, match="has no deep supervision"):
            network(1, 2, deep_supervision=True)
    with pytest.raises(AttributeError, match="has no attribute 'SwinUNet'"):
        _ = bodies.SwinUNet  # type: ignore[attr-defined]
