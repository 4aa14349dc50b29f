"""The distinct tensors of a state dict, and the part of the network that each belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch

Part = Literal["encoder", "decoder", "head"]

#: Module names of segmentation heads. They answer the question of one data set and are never carried to another.
HEADS = frozenset({"seg_layers"})


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
        if any(HEADS.intersection(name.split(".")) for name in self.names):
            return "head"
        return "encoder" if any(name.startswith("encoder.") for name in self.names) else "decoder"


def distinct_tensors(state: Mapping[str, torch.Tensor]) -> list[DistinctTensor]:
    """Group the entries of a state dict that are one tensor in memory.

    Args:
        state: A state dict whose values share memory where the modules do, as ``Module.state_dict()`` returns it.

    Returns:
        The distinct tensors in order of first appearance.
    """
    names: dict[tuple[object, ...], list[str]] = {}
    for name, value in state.items():
        # Empty tensors have no memory to tell them apart by.
        place = (value.data_ptr(), value.shape, value.stride()) if value.numel() else (name,)
        names.setdefault(place, []).append(name)
    return [DistinctTensor(tuple(group), state[group[0]]) for group in names.values()]
