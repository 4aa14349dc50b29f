"""What a run is unless told otherwise: the named recipes, and the synthesis for a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasd_nnu.errors import ConfigError, did_you_mean
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.pretrain.hardware import Hardware
from rasd_nnu.pretrain.recipe import Recipe
from rasd_nnu.pretrain.synthesis import SynthesisConfig

#: Where the recipes differ from `Recipe`'s own defaults, which are the paper's.
RECIPES: dict[str, dict[str, Any]] = {
    "default": {"budget": 3600.0, "schedule": "cosine", "warmup": 0.05, "clip": 1.0, "normalize": True},
    "paper": {},
}
#: Learning rates of the default recipe (benchmarks/curves.py): transformers want a lower one.
_LR, _LR_OF_TRANSFORMERS = 1e-3, 3e-4
_TRANSFORMERS = ("Primus", "SwinUNETR")


def recipe_for(
    target: NetworkTarget, hardware: Hardware | None = None, name: str = "default", **changes: Any
) -> Recipe:
    """Return a named recipe, completed for a network and a machine, as ``rasd_nnu pretrain`` takes it.

    Args:
        target: The network; decides the batch, and the learning rate of ``default``.
        hardware: Where to run; decides the precision.
        name: ``default``: cosine, normalised features, and as many iterations as fit into an hour, or into
            ``budget`` seconds; ``paper``: 600,000 iterations at a constant 1e-5.
        changes: Entries of `Recipe` that differ; None for one that does not. ``iterations`` overrides the budget.

    Raises:
        ConfigError: If the name or an entry is unknown, or a value is out of its range.
    """
    if name not in RECIPES:
        raise ConfigError(f"unknown recipe {name!r}, expected {' or '.join(RECIPES)}.{did_you_mean(name, RECIPES)}")
    values: dict[str, Any] = {"batch_size": target.batch_size, **RECIPES[name]}
    if name == "default":
        own = target.architecture["network_class_name"].rpartition(".")[2]
        values["lr"] = _LR_OF_TRANSFORMERS if own in _TRANSFORMERS else _LR
    values |= {key: value for key, value in changes.items() if value is not None}
    if changes.get("iterations") is not None:
        values["budget"] = None
    if values.get("precision", "auto") == "auto":
        values["precision"] = (hardware or Hardware()).best_precision()
    return Recipe.from_dict(values)


def config_for(
    target: NetworkTarget,
    preset: str = "default",
    *,
    classes: int | tuple[int, int] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> SynthesisConfig:
    """Return what to synthesise for a network.

    Args:
        target: The network; decides patch, spacing, channels and normalisation.
        preset: As in `SynthesisConfig.preset`.
        classes: As in `SynthesisConfig.preset`.
        overrides: As in `SynthesisConfig.preset`.

    Raises:
        ConfigError: As `SynthesisConfig.preset`.
    """
    return SynthesisConfig.preset(
        preset,
        shape=target.patch_size,
        classes=classes,
        channels=target.input_channels,
        spacing=target.spacing,
        normalization=target.normalization,
        overrides=overrides,
    )
