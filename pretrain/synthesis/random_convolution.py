"""Random shallow convolutional networks as an augmentation: GIN of Ouyang et al., IEEE TMI 42:1095 (2022)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_LAYERS, _WIDTH = 4, 2


def random_convolution(images: Tensor, generator: torch.Generator) -> Tensor:
    """Pass each image through a random network of its own, and blend with the image.

    Four layers of kernels of 1 or 3 voxels with leaky ReLU between them; the weight of the result is uniform in 0..1,
    and it has the Frobenius norm of the image.

    Args:
        images: ``(B, C, *S)``.
        generator: Source of randomness, on the CPU.
    """
    batch, channels, *shape = images.shape
    convolve = F.conv2d if len(shape) == 2 else F.conv3d
    signal = images.reshape(1, batch * channels, *shape)
    wide = [channels, *[_WIDTH] * (_LAYERS - 1), channels]
    for layer in range(_LAYERS):
        size = 1 + 2 * int(torch.randint(2, (), generator=generator))
        weight = torch.randn((batch * wide[layer + 1], wide[layer], *[size] * len(shape)), generator=generator)
        shift = torch.randn(batch * wide[layer + 1], generator=generator)
        signal = convolve(signal, weight.to(images.device), shift.to(images.device), padding=size // 2, groups=batch)
        if layer < _LAYERS - 1:
            signal = F.leaky_relu(signal)
    share = torch.rand((batch, 1, *[1] * len(shape)), generator=generator).to(images.device)
    mixed = torch.lerp(images, signal.reshape(images.shape), share)
    axes = tuple(range(1, images.ndim))
    norm = torch.linalg.vector_norm
    return mixed * norm(images, dim=axes, keepdim=True) / norm(mixed, dim=axes, keepdim=True).clamp(min=1e-5)
