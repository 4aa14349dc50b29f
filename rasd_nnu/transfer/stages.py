"""Which tensor of a pre-trained U-Net corresponds to which of a planned one that has another topology."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rasd_nnu.nnunet.plans import NetworkTarget

_UNETS = {"PlainConvUNet": "plain", "ResidualEncoderUNet": "residual"}
_ENCODER = re.compile(r"encoder\.stages\.(\d+)\.(.+)")
_DECODER = re.compile(r"decoder\.(stages|transpconvs)\.(\d+)\.(.+)")
_PLAIN_FIRST, _RESIDUAL_FIRST = "0.convs.0.", "blocks.0.conv1."


@dataclass(frozen=True)
class NameMap:
    """Which tensor of the checkpoint belongs to one of the target.

    Args:
        find: Name in the target -> name in the checkpoint, or None where nothing corresponds.
        otherwise: Why nothing corresponds to a tensor, for the report.
    """

    find: Callable[[str], str | None]
    otherwise: str = "nothing in the checkpoint corresponds to it"

    def __call__(self, name: str) -> str | None:
        """Return the name in the checkpoint, or None."""
        return self.find(name)


def unet_kind(architecture: dict[str, Any]) -> str | None:
    """Return ``plain`` or ``residual`` for nnU-Net's U-Nets, None for other networks."""
    return _UNETS.get(str(architecture["network_class_name"]).rsplit(".", 1)[-1])


def stage_octaves(target: NetworkTarget) -> list[float]:
    """Return for each stage by how many octaves it is coarser than the input.

    The middle axis in mm decides (of two, the coarser one): thick slices that are pooled later than the plane, and an
    axis that the bottleneck pools no more, then do not shift the stages. In-plane sizes count relative to the
    input's, because a synthetic image's millimetres are nominal.
    """
    sizes = [float(s) for s in target.spacing]
    first = _middle(sizes)
    octaves = []
    for stride in target.architecture["arch_kwargs"]["strides"]:
        factors = [stride] * len(sizes) if isinstance(stride, int) else stride
        sizes = [size * factor for size, factor in zip(sizes, factors, strict=True)]
        octaves.append(math.log2(_middle(sizes) / first))
    return octaves


def _middle(sizes: list[float]) -> float:
    return sorted(sizes)[len(sizes) // 2]


def match_stages(source: list[float], target: list[float]) -> list[int | None]:
    """Match stages by resolution, in order, at most one octave apart.

    Args:
        source: `stage_octaves` of the pre-trained network.
        target: Of the planned network.

    Returns:
        For each target stage the source stage, or None.
    """
    matches: list[int | None] = []
    free = 0
    for octave in target:
        near = [(abs(source[i] - octave), i) for i in range(free, len(source)) if abs(source[i] - octave) <= 1]
        best = min(near)[1] if near else None
        matches.append(best)
        free = free if best is None else best + 1
    return matches


def unet_map(source: NetworkTarget, target: NetworkTarget) -> NameMap:
    """Return which tensors of two of nnU-Net's U-Nets correspond.

    Encoder stages correspond by resolution and decoder stages with them, so that the decoder is aligned from full
    resolution down. Between plain and residual encoders only the first convolution of each stage corresponds: what
    follows computes something else, and the decoders expect what it computes.
    """
    kinds = unet_kind(source.architecture), unet_kind(target.architecture)
    stages = match_stages(stage_octaves(source), stage_octaves(target))
    if kinds[0] != kinds[1]:
        return NameMap(
            lambda name: _across_kinds(name, stages, to_plain=kinds[0] == "plain"),
            f"of a {kinds[0]} and a {kinds[1]} encoder only the stem and the first convolution of each stage "
            "correspond",
        )
    counts = len(source.architecture["arch_kwargs"]["strides"]), len(stages)

    def find(name: str) -> str | None:
        if match := _ENCODER.fullmatch(name):
            stage = stages[int(match[1])]
            return None if stage is None else f"encoder.stages.{stage}.{match[2]}"
        if match := _DECODER.fullmatch(name):
            stage = stages[counts[1] - 2 - int(match[2])]
            # The decoder's index counts from the bottleneck up; the source's bottleneck has no decoder stage.
            if stage is None or stage > counts[0] - 2:
                return None
            return f"decoder.{match[1]}.{counts[0] - 2 - stage}.{match[3]}"
        return name

    return NameMap(find)


def _across_kinds(name: str, stages: list[int | None], *, to_plain: bool) -> str | None:
    """Map the first convolution of a stage from a plain to a residual target, or the other way round."""
    theirs, ours = (_PLAIN_FIRST, _RESIDUAL_FIRST) if to_plain else (_RESIDUAL_FIRST, _PLAIN_FIRST)
    if name.startswith("encoder.stem.convs.0."):
        return name.replace("encoder.stem.convs.0.", f"encoder.stages.0.{_PLAIN_FIRST}")
    match = _ENCODER.fullmatch(name)
    if match is None or not match[2].startswith(ours):
        return None
    layer = match[2].removeprefix(ours)
    if int(match[1]) == 0:
        return None if to_plain else f"encoder.stem.convs.0.{layer}"
    stage = stages[int(match[1])]
    return f"encoder.stages.{stage}.{theirs}{layer}" if stage else None
