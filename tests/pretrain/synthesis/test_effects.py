"""The registries: what a new effect or structure needs (one file), and that it changes nothing else."""

from __future__ import annotations

import io
import pickle
import sys
from importlib.util import module_from_spec, spec_from_file_location

import pytest
import torch

from rasd_nnu.errors import ConfigError
from rasd_nnu.pretrain.synthesis import (
    PRESETS,
    SampleParameters,
    SynthesisConfig,
    draw,
    draw_view,
    generator_for,
    reappear,
    render,
    render_images,
    synthesize,
    synthesize_views,
)
from rasd_nnu.pretrain.synthesis.appearance import render_image
from rasd_nnu.pretrain.synthesis.effects import EFFECTS
from rasd_nnu.pretrain.synthesis.registry import Registry
from rasd_nnu.pretrain.synthesis.structures import STRUCTURES

NEW_EFFECT = '''
"""Dropped lines, as of a scanner that loses every so many rows: all that a new effect is."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.effects.base import EFFECTS, Canvas, Drawn, Effect, Stage
from rasd_nnu.pretrain.synthesis.priors import Count, Probability, Range


@dataclass(frozen=True)
class DroppedLines(Drawn):
    every: int

    def apply(self, image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        image[:: self.every] = 0
        return image


@EFFECTS.add("dropout", Stage.SLICES)
class Dropout(Effect):
    drawn = DroppedLines

    every: Count = Range(low=2, high=5, unit="count")
    probability: Probability = 0.0

    def draw(self, dice: Dice) -> DroppedLines | None:
        if not dice.happens(self.probability):
            return None
        return DroppedLines(round(dice.uniform(self.every)))
'''


@pytest.fixture
def dropout(tmp_path):
    """The file above, imported."""
    path = tmp_path / "dropout.py"
    path.write_text(NEW_EFFECT)
    spec = spec_from_file_location("dropout_effect", path)
    module = sys.modules["dropout_effect"] = module_from_spec(spec)
    spec.loader.exec_module(module)
    yield
    EFFECTS.remove("dropout")
    del sys.modules["dropout_effect"]


def config(shape=(48, 40), name="default", **overrides):
    changes = {key.replace("__", "."): value for key, value in overrides.items()}
    return SynthesisConfig.preset(name, shape=shape, classes=4, channels=2, overrides=changes)


ON = {"dropout__probability": 1, "dropout__every": [3, 3, "count"], "contrast__minmax": False}


def test_a_new_effect_in_one_file_works_end_to_end(dropout):
    setting = config(**ON)
    assert SynthesisConfig.from_dict(setting.to_dict()) == setting
    image, _ = synthesize(setting, 0, [0, 1])
    assert (image[:, :, ::3] == 0).all() and (image[:, :, 1::3] != 0).float().mean() > 0.9
    with pytest.raises(ConfigError, match=r"unknown key 'priors.dropout.evry'. Did you mean 'every'"):
        config(dropout__evry=[1, 2, "count"])


def test_a_new_effect_leaves_the_presets_and_all_other_draws_as_they_are(dropout):
    with_it, off = draw(config(**ON), generator_for(0, 3)), draw(config(contrast__minmax=False), generator_for(0, 3))
    assert "dropout" not in off.effects
    assert torch.equal(render(with_it.with_effects(dropout=None))[0], render(off)[0])
    before = off.to_dict()
    del before["config"]["priors"]["dropout"]  # as an older version wrote it
    assert torch.equal(render(SampleParameters.from_dict(before))[0], render(off)[0])


def test_without_its_file_the_group_of_an_effect_is_refused():
    with pytest.raises(ConfigError, match="unknown group 'dropout'"):
        config(**ON)


def test_effects_act_in_the_order_of_equation_4():
    assert list(EFFECTS.in_order()) == ["regions", "bias", "noise", "blur", "slices", "contrast"]
    assert list(STRUCTURES.in_order()) == ["inclusions", "tubes", "body"]


def test_names_are_unique_and_places_order():
    kinds: Registry[object] = Registry()
    kinds.add("b", 1)(int), kinds.add("a", 1)(str), kinds.add("c", 0)(float)
    assert list(kinds.in_order()) == ["c", "a", "b"]
    with pytest.raises(ValueError, match="'a' is taken by str"):
        kinds.add("a", 5)(int)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("shape", [(48, 40), (16, 20, 24)])
def test_parameters_and_configuration_survive_being_stored(name, shape):
    extras = {f"{extra}__probability": 1 for extra in ("body", "tubes", "inclusions")}
    parameters = draw(config(shape, name, **extras), generator_for(5, 1))
    file = io.BytesIO()
    torch.save(parameters.to_dict(), file)
    file.seek(0)
    restored = SampleParameters.from_dict(torch.load(file, weights_only=True))
    pickled = pickle.loads(pickle.dumps(parameters))
    for other in (restored, pickled):
        assert other.config == parameters.config
        assert all(torch.equal(a, b) for a, b in zip(render(other), render(parameters), strict=True))


def test_views_share_the_label_map_and_nothing_else():
    setting = config(body__probability=1)
    images, labels = synthesize_views(setting, 0, [4], views=2)
    first, label = synthesize(setting, 0, [4])
    assert torch.equal(images[:, 0], first) and torch.equal(labels, label)
    sample = draw(setting, generator_for(0, 4))
    again = reappear(sample, generator_for(0, 4, 1))
    assert torch.equal(images[0, 1], render(again)[0][0]) and not torch.equal(images[0, 0], images[0, 1])
    air = labels[0] == 0
    for view in (sample, again):
        assert (view.effects["regions"].std[:, 0] == 0).all() and air.any()


@pytest.mark.parametrize("shape", [(48, 40), (16, 20, 24)])
def test_given_label_maps_are_rendered_without_heat_maps(shape):
    setting = config(shape, regions__std=[0, 0, "intensity"], noise__probability=0, blur__probability=0)
    label = (torch.arange(4 * shape[0])[: shape[0]] % 4).to(torch.uint8)
    label = label.reshape(-1, *[1] * (len(shape) - 1)).expand(shape).contiguous()
    parameters = draw_view(setting, generator_for(0, 0), classes=4)
    image = render_images(label[None], [parameters])
    assert image.shape == (1, 2, *shape) and torch.isfinite(image).all()
    assert torch.equal(image[0], render_image(label, parameters))
    plain = parameters.with_effects(bias=None, slices=None, contrast=None)
    flat = render_image(label, plain.with_effects(regions=_without_partial_volume(plain)))
    for k in range(4):
        assert (flat[0][label == k] == plain.effects["regions"].mean[0, k]).all()


def _without_partial_volume(parameters):
    regions = parameters.effects["regions"]
    return type(regions)(**{**vars(regions), "partial_volume": 0.0})
