"""Draw the parameters of a sample: all of its randomness but the noise, in a few hundred kilobytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch

from rasd_nnu.pretrain.synthesis.config import SynthesisConfig
from rasd_nnu.pretrain.synthesis.dice import Dice, make_generator
from rasd_nnu.pretrain.synthesis.effects import EFFECTS, Drawn
from rasd_nnu.pretrain.synthesis.structures import STRUCTURES, DrawnStructure

#: Which samples a seed gives; raised whenever they change.
STREAM_VERSION = 2


@dataclass(frozen=True)
class SampleParameters:
    """Everything that `render` needs.

    Attributes:
        config: The configuration that the sample was drawn from.
        classes: Number of classes of this sample, I.
        heatmaps: One ``(I, *G)`` a scale (eq. 1); empty where the label map is given.
        flows: One ``(K, d, *G)`` a scale in mm (eq. 1), K = I or 1; empty without deformation.
        structures: Extra structures that the sample has, by name.
        effects: Effects that act on the sample, by name.
    """

    config: SynthesisConfig
    classes: int
    heatmaps: tuple[torch.Tensor, ...]
    flows: tuple[torch.Tensor, ...]
    structures: Mapping[str, DrawnStructure]
    effects: Mapping[str, Drawn]

    @property
    def air(self) -> bool:
        """Whether class 0 is the air around a body."""
        return _any_air(self.structures)

    def with_effects(self, **changes: Drawn | None) -> Self:
        """Return the sample with other effects; None takes one out."""
        effects = {**self.effects, **changes}
        return replace(self, effects={name: drawn for name, drawn in effects.items() if drawn is not None})

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and tensors, which ``torch.load(weights_only=True)`` reads."""
        parts = {"structures": self.structures, "effects": self.effects}
        return {
            "config": self.config.to_dict(),
            "classes": self.classes,
            "heatmaps": self.heatmaps,
            "flows": self.flows,
            **{part: {name: dict(vars(drawn)) for name, drawn in found.items()} for part, found in parts.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a sample from `to_dict`'s values."""
        structures, effects = STRUCTURES.in_order(), EFFECTS.in_order()
        return cls(
            config=SynthesisConfig.from_dict(values["config"]),
            classes=values["classes"],
            heatmaps=tuple(values["heatmaps"]),
            flows=tuple(values["flows"]),
            structures={name: structures[name].drawn(**own) for name, own in values["structures"].items()},
            effects={name: effects[name].drawn(**own) for name, own in values["effects"].items()},
        )


def generator_for(seed: int, index: int, view: int = 0) -> np.random.Generator:
    """Return the generator of sample ``index`` of stream ``seed``, independent of all other samples.

    Args:
        seed: The stream.
        index: The sample.
        view: Further views of the sample (`reappear`) count from 1.
    """
    return make_generator([seed, index, view] if view else [seed, index])


def draw(config: SynthesisConfig, generator: np.random.Generator) -> SampleParameters:
    """Draw a sample's parameters.

    Args:
        config: The priors.
        generator: Source of randomness, see `generator_for`.

    Returns:
        The parameters, which `render` turns into an image and its labels.
    """
    low, high = config.class_range
    dice = _dice(config, generator, int(generator.integers(low, high, endpoint=True)))
    blobs, structures = dice.part("blobs"), _draw_structures(config, dice)
    return SampleParameters(
        config=config,
        classes=dice.classes,
        heatmaps=config.priors.heatmaps.draw(blobs),
        flows=config.priors.deformation.draw(blobs),
        structures=structures,
        effects=_draw_effects(config, replace(dice, air=_any_air(structures))),
    )


def reappear(parameters: SampleParameters, generator: np.random.Generator) -> SampleParameters:
    """Draw another view of the same label map: regions, bias field, noise, resolution and contrast anew.

    Args:
        parameters: The sample.
        generator: Source of randomness, see `generator_for`.
    """
    dice = _dice(parameters.config, generator, parameters.classes, air=parameters.air)
    return replace(parameters, effects=_draw_effects(parameters.config, dice))


def draw_view(
    config: SynthesisConfig, generator: np.random.Generator, classes: int, *, air: bool = False
) -> SampleParameters:
    """Draw the appearance of a given label map, for `render_images`.

    Args:
        config: The priors; its shape is the label map's.
        generator: Source of randomness, see `generator_for`.
        classes: Number of classes of the label map.
        air: Whether class 0 is air without texture.
    """
    effects = _draw_effects(config, _dice(config, generator, classes, air=air))
    return SampleParameters(config, classes, heatmaps=(), flows=(), structures={}, effects=effects)


def _dice(config: SynthesisConfig, generator: np.random.Generator, classes: int, *, air: bool = False) -> Dice:
    entropy = generator.integers(2**32, size=4).tolist()
    return Dice(tuple(entropy), config.geometry, classes, air)


def _draw_structures(config: SynthesisConfig, dice: Dice) -> dict[str, DrawnStructure]:
    found = {}
    for name in STRUCTURES.in_order():
        prior, own = getattr(config.priors, name), dice.part(name)
        if own.happens(prior.probability):
            found[name] = prior.draw(own)
    return found


def _draw_effects(config: SynthesisConfig, dice: Dice) -> dict[str, Drawn]:
    drawn = {name: getattr(config.priors, name).draw(dice.part(name)) for name in EFFECTS.in_order()}
    return {name: effect for name, effect in drawn.items() if effect is not None}


def _any_air(structures: Iterable[str]) -> bool:
    kinds = STRUCTURES.in_order()
    return any(kinds[name].air for name in structures)
