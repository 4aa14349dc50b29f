"""Networks as nnU-Net plans them, narrow enough for one core."""

from __future__ import annotations

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from tasks import Task
from torch import Tensor, nn

BASE_FEATURES, MOST_FEATURES = 8, 128
_SMALLEST_EDGE = 3


def stages(task: Task) -> int:
    """Return the number of stages: as many as leave 3 voxels along the shortest axis, 5 at most."""
    count = 1
    while count < 5 and min(task.patch) // 2**count >= _SMALLEST_EDGE:
        count += 1
    return count


def build(task: Task, outputs: int, seed: int) -> nn.Module:
    """Build nnU-Net's plain U-Net with deep supervision.

    Args:
        task: Gives dimensions, channels and patch.
        outputs: Number of output channels.
        seed: Of the initial weights.
    """
    torch.manual_seed(seed)
    dims, count = len(task.patch), stages(task)
    network: nn.Module = get_network_from_plans(
        "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        {
            "n_stages": count,
            "features_per_stage": [min(BASE_FEATURES * 2**i, MOST_FEATURES) for i in range(count)],
            "conv_op": f"torch.nn.modules.conv.Conv{dims}d",
            "kernel_sizes": [[3] * dims] * count,
            "strides": [[1] * dims] + [[2] * dims] * (count - 1),
            "n_conv_per_stage": [2] * count,
            "n_conv_per_stage_decoder": [2] * (count - 1),
            "conv_bias": True,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dims}d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        ["conv_op", "norm_op", "dropout_op", "nonlin"],
        task.channels,
        outputs,
        allow_init=True,
        deep_supervision=True,
    )
    return network


def apply(
    network: nn.Module, images: Tensor, *, cut: float = 0.0, generator: torch.Generator | None = None
) -> list[Tensor]:
    """Return the outputs at all scales, the finest first, computed in bfloat16 and returned in float32.

    Args:
        network: From `build`.
        images: ``(B, C, *S)``.
        cut: Chance that a skip connection is cut, for each sample and scale.
        generator: Of what is cut.
    """
    with torch.autocast("cpu", torch.bfloat16):
        skips = network.encoder(images)
        if cut:
            kept = torch.rand((len(skips) - 1, len(images)), generator=generator) >= cut
            skips[:-1] = [s * k.reshape(-1, *[1] * (s.ndim - 1)) for s, k in zip(skips[:-1], kept, strict=True)]
        outputs = network.decoder(skips)
    return [output.float() for output in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]
