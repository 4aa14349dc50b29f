"""The optimiser of a recipe: its groups with layer-wise rates, and an encoder that is held still for a while."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from rasd_nnu.errors import ConfigError
from rasd_nnu.trainers.options import FinetuneRecipe
from rasd_nnu.transfer import distinct_tensors

#: Where the parameters of MONAI's Swin UNETR stand, counted from the image: the transformer with the skip
#: connections that start from it, the bottleneck, the decoder, the head.
_SWIN = {
    **{"swinViT.patch_embed": 0, "encoder1": 0, "encoder2": 1, "encoder3": 2, "encoder4": 3, "encoder10": 5},
    **{f"swinViT.layers{i}{suffix}": i for i in range(1, 5) for suffix in ("", "c")},
    **{f"decoder{6 - i}": 5 + i for i in range(1, 6)},
    "out": 11,
}
_UNET = re.compile(r"(encoder|decoder)\.(stem|stages|transpconvs|seg_layers)(?:\.(\d+))?\.")


def build_optimizer(network: nn.Module, recipe: FinetuneRecipe) -> torch.optim.Optimizer:
    """Return the optimiser of ``recipe`` for a network without wrappers.

    Raises:
        ConfigError: If rates are to decay by layer and the order of the network's layers is not known.
    """
    groups = _groups(network, recipe)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, recipe.rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(groups, recipe.rate, weight_decay=recipe.weight_decay, momentum=0.99, nesterov=True)


def _groups(network: nn.Module, recipe: FinetuneRecipe) -> list[dict[str, Any]]:
    """Return one group, or one a layer; the first has the full rate, which is what nnU-Net logs."""
    if recipe.layer_decay == 1:
        return [{"params": list(network.parameters())}]
    layers = layer_numbers(network)
    members: dict[int, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        members.setdefault(layers[name], []).append(parameter)
    top = max(members)
    return [
        {"params": members[layer], "lr": recipe.rate * recipe.layer_decay ** (top - layer)}
        for layer in sorted(members, reverse=True)
    ]


def layer_numbers(network: nn.Module) -> dict[str, int]:
    """Number the layers in the order in which they are computed.

    In nnU-Net's U-Nets the encoder's stages come first (the stem belongs to the first), then the decoder's from the
    bottleneck up, then the segmentation heads.

    Returns:
        Name of each parameter -> number of its layer.

    Raises:
        ConfigError: For a network of another kind.
    """
    names = [name for name, _ in network.named_parameters()]
    matches = {name: _UNET.match(name) for name in names}
    encoder = [int(m[3] or 0) + 1 for m in matches.values() if m and m[1] == "encoder"]
    numbers = {}
    for name, match in matches.items():
        number = _swin_number(name) if match is None else _unet_number(match, max(encoder, default=0))
        if number is None:
            raise ConfigError(
                f"RASD_LAYER_DECAY needs the order of the layers, which is known for nnU-Net's U-Nets and SwinUNETR, "
                f"not for {type(network).__name__} (parameter {name!r}). Set it to 1."
            )
        numbers[name] = number
    return numbers


def _unet_number(match: re.Match[str], stages: int) -> int:
    if match[1] == "encoder":
        return int(match[3]) if match[2] == "stages" else 0
    # A U-Net of n stages has n - 1 in its decoder; all heads are one layer above them.
    return 2 * stages - 1 if match[2] == "seg_layers" else stages + int(match[3])


def _swin_number(name: str) -> int | None:
    parts = name.split(".")
    return _SWIN.get(parts[0], _SWIN.get(".".join(parts[:2])))


def encoder_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return the encoder's parameters, of a network without wrappers."""
    parameters = dict(network.named_parameters(remove_duplicate=False))
    tensors = [t for t in distinct_tensors(network.state_dict()) if t.part == "encoder"]
    return [parameters[t.names[0]] for t in tensors if t.names[0] in parameters]


def hold_still(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], held: Callable[[], bool]) -> None:
    """Skip ``parameters`` in each step for which ``held()`` is true.

    Their gradients are computed and then dropped, so that neither momentum nor weight decay moves them. Switching
    ``requires_grad`` off would break ``DistributedDataParallel``, which waits for every gradient that it saw at
    its construction, and make ``torch.compile`` compile twice.
    """

    def drop_gradients(*_: object) -> None:
        if held():
            for parameter in parameters:
                parameter.grad = None

    optimizer.register_step_pre_hook(drop_gradients)
