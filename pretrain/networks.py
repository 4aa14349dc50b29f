"""Networks to pre-train, all through nnU-Net's own description of an architecture."""

from __future__ import annotations

from typing import Any

from torch import nn

from rasd_nnu.errors import ConfigError, did_you_mean
from rasd_nnu.nnunet import NetworkTarget

#: Channels of the dense features that the objective works on: 32 in the paper's Swin UNETR, and the width of
#: nnU-Net's last decoder stage.
FEATURE_CHANNELS = 32

_PLAIN = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
_RESIDUAL = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"
_RESENC_BLOCKS = (1, 3, 4, 6, 6, 6, 6, 6)

ARCHITECTURES = ("plain", "resenc")


def _convolutional(dims: int, stages: int, residual: bool) -> dict[str, Any]:
    """Describe nnU-Net's U-Net for an isotropic patch, as its planner does (32 features, 320 or 512 at most)."""
    limit = 320 if dims == 3 else 512
    depth = {
        "n_blocks_per_stage" if residual else "n_conv_per_stage": list(_RESENC_BLOCKS[:stages])
        if residual
        else [2] * stages
    }
    return {
        "network_class_name": _RESIDUAL if residual else _PLAIN,
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": [min(32 * 2**i, limit) for i in range(stages)],
            "conv_op": f"torch.nn.modules.conv.Conv{dims}d",
            "kernel_sizes": [[3] * dims] * stages,
            "strides": [[1] * dims] + [[2] * dims] * (stages - 1),
            **depth,
            "n_conv_per_stage_decoder": [1 if residual else 2] * (stages - 1),
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dims}d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def standard_target(
    dims: int, arch: str = "plain", *, channels: int = 1, patch_size: tuple[int, ...] | None = None
) -> NetworkTarget:
    """Return a standard nnU-Net network, not planned for any data set.

    Args:
        dims: 2 or 3.
        arch: One of `ARCHITECTURES`.
        channels: Input channels.
        patch_size: Patch in voxels; the paper's 128^3 or 512^2 by default. Its shortest edge decides the number
            of stages, so that at least 4 voxels are left at the bottleneck (nnU-Net's rule).

    Raises:
        ConfigError: If the architecture is unknown or the patch cannot be halved often enough.
    """
    if arch not in ARCHITECTURES:
        raise ConfigError(
            f"unknown architecture {arch!r}, expected one of {', '.join(ARCHITECTURES)}."
            f"{did_you_mean(arch, ARCHITECTURES)}"
        )
    patch = patch_size or ((128,) * 3 if dims == 3 else (512,) * 2)
    if len(patch) != dims:
        raise ConfigError(f"patch {patch} has {len(patch)} axes, expected {dims}. Give one size an axis.")
    stages = min(6 if dims == 3 else 8, max(1, (min(patch) // 4).bit_length()))
    divisor = 2 ** (stages - 1)
    if any(n % divisor for n in patch):
        raise ConfigError(f"patch {patch} must be divisible by {divisor} for a network of {stages} stages.")
    return NetworkTarget(
        architecture=_convolutional(dims, stages, arch == "resenc"),
        input_channels=channels,
        patch_size=tuple(patch),
        spacing=(1.0,) * dims,
        batch_size=2 if dims == 3 else 16,
        normalization=("ZScoreNormalization",) * channels,
    )


def build_network(target: NetworkTarget, feature_channels: int = FEATURE_CHANNELS) -> nn.Module:
    """Build the network of ``target`` with a feature head in place of the segmentation head.

    Args:
        target: The described network.
        feature_channels: Channels of the output.

    Returns:
        A module that maps ``(B, input_channels, *patch_size)`` to ``(B, feature_channels, *patch_size)``.
        Deep-supervision heads, which get no gradient here, are frozen.
    """
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    network: nn.Module = get_network_from_plans(
        target.architecture["network_class_name"],
        target.architecture["arch_kwargs"],
        target.architecture["_kw_requires_import"],
        target.input_channels,
        feature_channels,
        allow_init=True,
        deep_supervision=False,
    )
    heads = getattr(getattr(network, "decoder", None), "seg_layers", None)
    if heads is not None:
        for head in heads[:-1]:
            head.requires_grad_(False)
    return network
