from __future__ import annotations

from typing import Any

import pytest
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

from rasd_nnu.errors import ConfigError
from rasd_nnu.trainers.optimizers import build_optimizer, encoder_parameters, hold_still, layer_numbers
from rasd_nnu.trainers.options import FinetuneRecipe


def _unet(kind: type[nn.Module]) -> nn.Module:
    depth = "n_blocks_per_stage" if kind is ResidualEncoderUNet else "n_conv_per_stage"
    common: dict[str, Any] = {"kernel_sizes": 3, "strides": (1, 2, 2), "num_classes": 2, "n_conv_per_stage_decoder": 1}
    return kind(1, 3, (4, 8, 16), nn.Conv2d, **common, **{depth: 1}, deep_supervision=True, conv_bias=True)


def test_default_is_nnunets_own_optimizer() -> None:
    network = _unet(PlainConvUNet)
    ours = build_optimizer(network, FinetuneRecipe())
    theirs = torch.optim.SGD(network.parameters(), 1e-2, weight_decay=3e-5, momentum=0.99, nesterov=True)
    assert type(ours) is type(theirs)
    assert ours.defaults == theirs.defaults
    assert ours.state_dict() == theirs.state_dict()
    pairs = zip(ours.param_groups[0]["params"], theirs.param_groups[0]["params"], strict=True)
    assert all(a is b for a, b in pairs)


def test_adamw() -> None:
    optimizer = build_optimizer(_unet(PlainConvUNet), FinetuneRecipe(optimizer="adamw"))
    assert isinstance(optimizer, torch.optim.AdamW)
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (3e-4, 1e-5)


@pytest.mark.parametrize("kind", [PlainConvUNet, ResidualEncoderUNet])
def test_layers_are_numbered_as_they_are_computed(kind: type[nn.Module]) -> None:
    numbers = layer_numbers(_unet(kind))
    by_place: dict[str, set[int]] = {}
    for name, number in numbers.items():
        parts = name.split(".")
        by_place.setdefault(".".join(parts[: 2 if parts[1] in ("stem", "seg_layers") else 3]), set()).add(number)
    assert by_place.pop("encoder.stem", {0}) == {0}
    assert by_place == {
        "encoder.stages.0": {0},
        "encoder.stages.1": {1},
        "encoder.stages.2": {2},
        "decoder.transpconvs.0": {3},
        "decoder.stages.0": {3},
        "decoder.transpconvs.1": {4},
        "decoder.stages.1": {4},
        "decoder.seg_layers": {5},
    }


def test_rates_decay_from_the_head_down_and_hold_every_parameter_once() -> None:
    network = _unet(PlainConvUNet)
    optimizer = build_optimizer(network, FinetuneRecipe(lr=1.0, layer_decay=0.5))
    assert [g["lr"] for g in optimizer.param_groups] == [0.5**i for i in range(6)]
    grouped = [p for g in optimizer.param_groups for p in g["params"]]
    assert len(grouped) == len({id(p) for p in grouped}) == len(list(network.parameters()))


def test_layer_decay_of_an_unknown_network() -> None:
    with pytest.raises(ConfigError, match=r"not for Sequential \(parameter '0.weight'\). Set it to 1"):
        build_optimizer(nn.Sequential(nn.Linear(1, 1)), FinetuneRecipe(layer_decay=0.9))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_held_encoder_neither_moves_nor_gathers_momentum(optimizer: Any) -> None:
    network = _unet(PlainConvUNet)
    built = build_optimizer(network, FinetuneRecipe(optimizer=optimizer))
    encoder = encoder_parameters(network)
    assert len(encoder) == sum(name.startswith("encoder.") for name, _ in network.named_parameters())
    held = True
    hold_still(built, encoder, lambda: held)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}

    def step() -> set[str]:
        outputs = network(torch.rand(2, 1, 8, 8))
        sum(o.square().sum() for o in outputs).backward()
        built.step()
        moved = {name for name, p in network.named_parameters() if not torch.equal(p, before[name])}
        return {name.split(".")[0] for name in moved}

    assert step() == {"decoder"}
    assert not any(p in built.state for p in encoder)
    held = False
    assert step() == {"decoder", "encoder"}
