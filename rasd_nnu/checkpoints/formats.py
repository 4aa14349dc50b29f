"""Other people's pre-trained weights: how each public format names its tensors.

The names are facts from the projects' public code and descriptions; no weights come with this package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from rasd_nnu.errors import CheckpointError, did_you_mean

Weights = dict[str, torch.Tensor]

_SWIN = re.compile(r"(?:swinViT|encoder(?:10|[1-4])|decoder[1-5]|out)\.")
_BARE_SWIN = re.compile(r"(?:patch_embed|layers[1-4]c?)\.")


@dataclass(frozen=True)
class Format:
    """A public format.

    Args:
        title: What the weights are.
        source: Where they are described.
        convert: Turns the file's names into those of a class that can be built here; empty if they are not there.
        expected: What the file has to hold, for the error if it does not.
    """

    title: str
    source: str
    convert: Callable[[Weights], Weights]
    expected: str


def swin_names(weights: Weights) -> Weights:
    """Return SwinUNETR's tensors under MONAI's names.

    Published files put the network into ``backbone.``, call the transformer ``swin_vit``, or hold the transformer alone
    with the multi-layer perceptron's layers as ``fc1`` and ``fc2``. Projection and task heads are left out.
    """
    inner = {n.removeprefix("backbone."): v for n, v in weights.items() if n.startswith("backbone.")} or weights
    renamed = {}
    for name, value in inner.items():
        name = name.replace("swin_vit.", "swinViT.")
        name = f"swinViT.{name}" if _BARE_SWIN.match(name) else name
        name = re.sub(r"\.mlp\.fc([12])\.", r".mlp.linear\1.", name)
        if _SWIN.match(name):
            renamed[name] = value
    return renamed if "swinViT.patch_embed.proj.weight" in renamed else {}


def _swin(*, version2: bool) -> Callable[[Weights], Weights]:
    def convert(weights: Weights) -> Weights:
        renamed = swin_names(weights)
        return renamed if any(n.startswith("swinViT.layers1c.") for n in renamed) == version2 else {}

    return convert


def anatomix_names(weights: Weights) -> Weights:
    """Return the encoder of anatomix's U-Net under the names of nnU-Net's plain encoder.

    Its layers are numbered in one sequence: a first convolution, two a stage on the way down and at the bottom, two a
    stage on the way up, and a last one. nnU-Net strides where anatomix takes maxima, which has no weights. The decoder
    reads upsampled features that were not convolved first, so that its kernels have other inputs than nnU-Net's.
    """
    numbered = {
        int(n.split(".")[0]): n for n in weights if re.fullmatch(r"[0-9]{1,4}\.weight", n) and weights[n].ndim > 2
    }
    order = sorted(numbered)
    levels = (len(order) - 4) // 4
    if levels < 1 or len(order) != 4 * levels + 4:
        return {}
    renamed = {}
    for position, number in enumerate(order[: 2 * levels + 3]):
        stage, layer = (0, position) if position < 3 else ((position - 1) // 2, (position - 1) % 2)
        block = f"encoder.stages.{stage}.0.convs.{layer}."
        for part, index in (("conv", number), ("norm", number + 1)):
            for kind in ("weight", "bias", "running_mean", "running_var"):
                value = weights.get(f"{index}.{kind}")
                if value is not None and (part == "conv" or index not in numbered):
                    renamed[f"{block}{part}.{kind}"] = value
    return renamed


def _residual_names(weights: Weights) -> Weights:
    return weights if any(n.startswith("encoder.stages.0.blocks.") for n in weights) else {}


FORMATS: Mapping[str, Format] = {
    "monai-btcv": Format(
        "Swin UNETR of MONAI: self-supervised transformer (model_swinvit.pt) or fine-tuned on BTCV",
        "github.com/Project-MONAI/research-contributions/tree/main/SwinUNETR, arXiv:2201.01266",
        _swin(version2=False),
        "MONAI's SwinUNETR or its transformer, first version",
    ),
    "voco": Format(
        "VoCo and VoComni, Swin UNETR version 2 (B, L, H)",
        "github.com/Luffy03/Large-Scale-Medical, arXiv:2410.09890",
        _swin(version2=True),
        "MONAI's SwinUNETR version 2 (with swinViT.layers1c)",
    ),
    "suprem": Format(
        "SuPreM, Swin UNETR supervised on AbdomenAtlas",
        "github.com/MrGiovanni/SuPreM, arXiv:2310.16754",
        _swin(version2=False),
        "MONAI's SwinUNETR, first version, in 'net' under module.backbone",
    ),
    "nnssl-resencl": Format(
        "nnssl's residual encoder U-Net L (OpenMind and others)",
        "github.com/MIC-DKFZ/nnssl, arXiv:2412.17041",
        _residual_names,
        "a residual encoder (encoder.stages.0.blocks)",
    ),
    "anatomix": Format(
        "anatomix, the encoder of its U-Net",
        "github.com/neel-dey/anatomix, arXiv:2411.02372",
        anatomix_names,
        "one numbered sequence of convolutions (model.0.weight, ...)",
    ),
}


def known_format(name: str) -> Format:
    """Return the format ``name``.

    Raises:
        CheckpointError: If there is none of this name.
    """
    if name not in FORMATS:
        raise CheckpointError(
            f"unknown format {name!r}, expected one of {', '.join(FORMATS)}.{did_you_mean(name, FORMATS)}"
        )
    return FORMATS[name]


def known_names(weights: Weights, name: str, path: Any) -> Weights:
    """Return ``weights`` of the format ``name`` under names that can be built here.

    Raises:
        CheckpointError: If the weights are not of this format.
    """
    chosen = known_format(name)
    converted = chosen.convert(weights)
    if not converted:
        found = ", ".join(list(weights)[:3])
        raise CheckpointError(f"{path} is not of format {name!r}: expected {chosen.expected}, found {found}, ...")
    return converted
