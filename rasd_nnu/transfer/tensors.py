"""The distinct tensors of a state dict, and the part of the network that each belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

Part = Literal["encoder", "decoder", "head"]

#: Module names of segmentation heads (nnU-Net's U-Nets, SwinUNETR, Primus). They answer the question of one data set
#: and are never transferred to another; the widths of the whole ``up_projection`` follow the number of classes.
HEADS = frozenset({"seg_layers", "out", "up_projection"})

#: Module names of encoders (nnU-Net's U-Nets, SwinUNETR, Primus). SwinUNETR's convolutions on the skips
#: (``encoder1`` ... ``encoder10``) count as decoder, as its self-supervised weights do not hold them.
ENCODERS = frozenset({"encoder", "swinViT", "eva", "down_projection"})

# MONAI's UNet nests one level in the other: 0 is the way down, 1 the next level, 2 the way up; the outermost way up
# is as wide as the classes are many.
_NESTED_HEAD = re.compile(r"model\.2\.")
_NESTED_ENCODER = re.compile(r"model\.(?:1\.submodule\.)*(?:0|conv|residual)\.")


@dataclass(frozen=True)
class DistinctTensor:
    """A tensor with all the names that a state dict has for it.

    nnU-Net's networks list most tensors two to four times: the decoder holds the encoder, and each convolution
    block holds its layers once by name and once in ``all_modules``.

    Args:
        names: All names, in the order of the state dict.
        tensor: The values.
    """

    names: tuple[str, ...]
    tensor: torch.Tensor

    @property
    def part(self) -> Part:
        """``head``, ``encoder`` or ``decoder``; of the decoder is whatever is neither head nor encoder."""
        modules = [set(name.split(".")) for name in self.names]
        if any(HEADS & names for names in modules) or _NESTED_HEAD.match(self.names[0]):
            return "head"
        encoder = any(ENCODERS & names for names in modules) or _NESTED_ENCODER.match(self.names[0])
        return "encoder" if encoder else "decoder"


def distinct_tensors(state: Mapping[str, torch.Tensor]) -> list[DistinctTensor]:
    """Group the entries of a state dict that are one tensor in memory.

    Args:
        state: A state dict whose values share memory where the modules do, as ``Module.state_dict()`` returns it.

    Returns:
        The distinct tensors in order of first appearance. Integers are left out: they are counters and indices that
        the modules make themselves.
    """
    names: dict[tuple[object, ...], list[str]] = {}
    for name, value in state.items():
        if value.is_floating_point():
            # Empty tensors have no memory to tell them apart by.
            place = (value.data_ptr(), value.shape, value.stride()) if value.numel() else (name,)
            names.setdefault(place, []).append(name)
    return [DistinctTensor(tuple(group), state[group[0]]) for group in names.values()]
