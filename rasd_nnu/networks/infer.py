"""Read a network's description off the names and shapes of its weights, where the file does not say it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from rasd_nnu.errors import PlansError
from rasd_nnu.nnunet.plans import NetworkTarget

_UNET = "dynamic_network_architectures.architectures.unet."
_SWIN = "rasd_nnu.networks.bodies.SwinUNETR"
# Encoder stage and position of a convolution, in plain and in residual encoders.
_KINDS = {
    "PlainConvUNet": (r"encoder\.stages\.([0-9]{1,3})\.0\.convs\.([0-9]{1,3})\.conv\.weight", "n_conv_per_stage"),
    "ResidualEncoderUNet": (
        r"encoder\.stages\.([0-9]{1,3})\.blocks\.([0-9]{1,3})\.conv1\.conv\.weight",
        "n_blocks_per_stage",
    ),
}


def describe_weights(weights: Mapping[str, torch.Tensor]) -> NetworkTarget | None:
    """Describe the network that a state dict belongs to.

    What names and shapes do not tell is taken as usual: voxels are isotropic, the non-linearity is nnU-Net's, stages
    without a decoder beside them halve the resolution.

    Args:
        weights: State dict with the names of nnU-Net's U-Nets or of MONAI's SwinUNETR.

    Returns:
        The description, or None for other networks, and for parts that no network can be built of.
    """
    try:
        return _describe(weights)
    except PlansError:
        return None


def _describe(weights: Mapping[str, torch.Tensor]) -> NetworkTarget | None:
    if "swinViT.patch_embed.proj.weight" in weights:
        return _describe_swin(weights)
    for name, (pattern, depth) in _KINDS.items():
        stages = _convolutions(weights, pattern)
        if len({kernel.ndim for kernels in stages for kernel in kernels}) == 1 and stages[0][0].ndim in (4, 5):
            return _describe_unet(weights, name, depth, stages)
    return None


def _convolutions(weights: Mapping[str, torch.Tensor], pattern: str) -> list[list[torch.Tensor]]:
    """Return the kernels of each encoder stage; empty unless the stages are numbered from 0 without a gap."""
    found: dict[int, dict[int, torch.Tensor]] = {}
    for name, value in weights.items():
        if match := re.fullmatch(pattern, name):
            found.setdefault(int(match[1]), {})[int(match[2])] = value
    if sorted(found) != list(range(len(found))):
        return []
    return [[kernels[i] for i in sorted(kernels)] for _, kernels in sorted(found.items())]


def _describe_unet(
    weights: Mapping[str, torch.Tensor], class_name: str, depth: str, stages: list[list[torch.Tensor]]
) -> NetworkTarget:
    dims, last = stages[0][0].ndim - 2, len(stages) - 1
    strides = [[1] * dims]
    for stage in range(1, len(stages)):
        up = weights.get(f"decoder.transpconvs.{last - stage}.weight")
        strides.append([2] * dims if up is None or up.ndim != dims + 2 else list(up.shape[2:]))
    stem = weights.get("encoder.stem.convs.0.conv.weight", stages[0][0])
    decoder = [rf"decoder\.stages\.{i}\.convs\.\d+\.conv\.weight" for i in range(last)]
    kwargs = {
        "n_stages": len(stages),
        "features_per_stage": [kernels[0].shape[0] for kernels in stages],
        "conv_op": f"torch.nn.modules.conv.Conv{dims}d",
        "kernel_sizes": [list(kernels[0].shape[2:]) for kernels in stages],
        "strides": strides,
        depth: [len(kernels) for kernels in stages],
        "n_conv_per_stage_decoder": [max(1, sum(bool(re.fullmatch(p, n)) for n in weights)) for p in decoder],
        "conv_bias": any(re.fullmatch(r"encoder\..*\.conv\.bias", name) for name in weights),
        **_norm(weights, dims),
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    factors = torch.tensor(strides).prod(0).tolist()
    architecture = {
        "network_class_name": _UNET + class_name,
        "arch_kwargs": kwargs,
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
    return NetworkTarget(architecture, stem.shape[1], tuple(4 * n for n in factors), (1.0,) * dims, 1)


def _norm(weights: Mapping[str, torch.Tensor], dims: int) -> dict[str, Any]:
    names = [name for name in weights if name.startswith("encoder.")]
    batch = any(name.endswith(".norm.running_mean") for name in names)
    kind = "batchnorm.BatchNorm" if batch else "instancenorm.InstanceNorm"
    affine = any(name.endswith(".norm.weight") for name in names)
    return {"norm_op": f"torch.nn.modules.{kind}{dims}d", "norm_op_kwargs": {"eps": 1e-5, "affine": affine}}


def _describe_swin(weights: Mapping[str, torch.Tensor]) -> NetworkTarget:
    patch = weights["swinViT.patch_embed.proj.weight"]
    dims = patch.ndim - 2
    kwargs = {
        "feature_size": patch.shape[0],
        "dims": dims,
        "use_v2": any(name.startswith("swinViT.layers1c.") for name in weights),
    }
    architecture = {"network_class_name": _SWIN, "arch_kwargs": kwargs, "_kw_requires_import": []}
    return NetworkTarget(architecture, patch.shape[1], (64,) * dims, (1.0,) * dims, 1)
