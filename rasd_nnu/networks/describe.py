"""nnU-Net's descriptions of the standard networks, one function a family."""

from __future__ import annotations

import math
from typing import Any

from rasd_nnu.errors import ConfigError
from rasd_nnu.networks.width import LIMITS, stage_features

_UNETS = "dynamic_network_architectures.architectures.unet."
_RESENC_BLOCKS = (1, 3, 4, *(6,) * 10)
# Depth, heads and width of each size (Wald et al. 2025, arXiv:2503.01835, table 2).
_PRIMUS = {"s": (12, 6, 396), "b": (12, 12, 792), "m": (16, 12, 864), "l": (24, 16, 1056)}
_PRIMUS_TOKEN = 8


def convolutional(patch: tuple[int, ...], *, residual: bool) -> dict[str, Any]:
    """Describe nnU-Net's U-Net for a patch with isotropic voxels, as its planners do.

    Args:
        patch: Patch in voxels; it decides the stages: each axis is halved down to 4 voxels at least.
        residual: With the residual encoder of the ResEnc planners.

    Raises:
        ConfigError: If the patch cannot be halved as often as the planner would.
    """
    from nnunetv2.experiment_planning.experiment_planners.network_topology import get_pool_and_conv_props

    dims = len(patch)
    if min(patch) < 8:
        raise ConfigError(f"patch {patch} is too small for a U-Net, expected at least 8 voxels along each axis.")
    _, strides, kernels, fitting, divisors = get_pool_and_conv_props((1.0,) * dims, patch, 4, 999)
    if tuple(fitting) != patch:
        raise ConfigError(
            f"patch {patch} must be divisible by {_listed(divisors)} for this network. "
            f"The next larger one that fits is --patch {','.join(str(int(n)) for n in fitting)}."
        )
    stages = len(strides)
    depth = {"n_blocks_per_stage": list(_RESENC_BLOCKS[:stages])} if residual else {"n_conv_per_stage": [2] * stages}
    return {
        "network_class_name": _UNETS + ("ResidualEncoderUNet" if residual else "PlainConvUNet"),
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": stage_features(stages, 32, LIMITS[dims]),
            "conv_op": f"torch.nn.modules.conv.Conv{dims}d",
            "kernel_sizes": [[int(n) for n in kernel] for kernel in kernels],
            "strides": [[int(n) for n in stride] for stride in strides],
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


def primus(patch: tuple[int, ...], size: str) -> dict[str, Any]:
    """Describe Primus S, B, M or L with the regularisation of nnU-Net's Primus trainers.

    Raises:
        ConfigError: If an axis of the patch is not divisible by the edge of a token.
    """
    require_divisible(patch, _PRIMUS_TOKEN, f"primus-{size}")
    depth, heads, width = _PRIMUS[size]
    return {
        "network_class_name": "dynamic_network_architectures.architectures.primus.Primus",
        "arch_kwargs": {
            "embed_dim": width,
            "patch_embed_size": [_PRIMUS_TOKEN] * 3,
            "eva_depth": depth,
            "eva_numheads": heads,
            "input_shape": list(patch),
            "drop_path_rate": 0.2,
            "scale_attn_inner": True,
            "init_values": 0.1,
        },
        "_kw_requires_import": [],
    }


def swin_unetr(patch: tuple[int, ...], *, version: int = 2) -> dict[str, Any]:
    """Describe the paper's Swin UNETR, or the first version, which has no residual convolutions between its stages.

    Raises:
        ConfigError: If an axis of the patch is not divisible by 32, or all are 32: instance normalisation needs
            more than the one voxel that would be left at the bottom.
    """
    name = "swin-unetr" if version == 2 else f"swin-unetr-v{version}"
    require_divisible(patch, 32, name)
    if max(patch) == 32:
        raise ConfigError(f"patch {patch} is too small for {name}, expected 64 or more along one axis at least.")
    return {
        "network_class_name": "rasd_nnu.networks.bodies.SwinUNETR",
        "arch_kwargs": {"feature_size": 48, "dims": len(patch)} | ({} if version == 2 else {"use_v2": False}),
        "_kw_requires_import": [],
    }


def residual_unet_2d(patch: tuple[int, ...]) -> dict[str, Any]:
    """Describe the 2D U-Net of the authors' downstream code.

    Raises:
        ConfigError: If an axis of the patch is not divisible by 16.
    """
    require_divisible(patch, 16, "unet2d")
    return {
        "network_class_name": "rasd_nnu.networks.bodies.ResidualUnet2d",
        "arch_kwargs": {"features_per_stage": [64, 128, 256, 512, 1024], "residual_units": 4, "dropout": 0.15},
        "_kw_requires_import": [],
    }


def require_divisible(patch: tuple[int, ...], divisor: int, name: str) -> None:
    """Raise `ConfigError`, which names the nearest patch that fits, unless ``divisor`` divides every axis."""
    if any(n % divisor for n in patch):
        fitting = ",".join(str(max(1, math.ceil(n / divisor)) * divisor) for n in patch)
        raise ConfigError(
            f"patch {patch} must be divisible by {divisor} for {name}. "
            f"The next larger one that fits is --patch {fitting}."
        )


def _listed(divisors: Any) -> str:
    values = sorted({int(n) for n in divisors})
    return str(values[0]) if len(values) == 1 else f"({', '.join(str(int(n)) for n in divisors)})"
