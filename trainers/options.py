"""The recipe of a fine-tuning, from the plans and the environment; the one module here that reads the latter."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from rasd_nnu.errors import ConfigError, did_you_mean
from rasd_nnu.pretrain.synthesis.renew import RenewConfig
from rasd_nnu.reading import parse_yaml
from rasd_nnu.transfer.correspond import FitOptions
from rasd_nnu.transfer.kernels import Inflation, Width
from rasd_nnu.transfer.start import StartOptions, Transfer

PREFIX = "RASD_"

#: Optimiser -> initial rate and weight decay: nnU-Net's own, so that the scratch arm is nnU-Net's recipe and no
#: straw man; and those of the paper's Swin UNETR.
_DEFAULTS: dict[str, tuple[float, float]] = {"sgd": (1e-2, 3e-5), "adamw": (3e-4, 1e-5)}


class FinetuneRecipe(BaseModel):
    """How a run is fine-tuned; the same for both arms.

    Args:
        optimizer: nnU-Net's ``sgd`` (momentum 0.99, Nesterov) or ``adamw``.
        lr: Highest rate, reached at the end of the warm-up; None for the optimiser's own.
        warmup: Share of the run in which the rate rises linearly, 0 for none. Without it the first steps at the full
            rate, taken with a random segmentation head, undo much of what was pre-trained; 5 % is nnssl's fine-tuning
            recipe (50 of 1000 epochs). A share rather than a number of epochs means the same in a run of 5.
        freeze_encoder_epochs: Epochs at the start in which the encoder stays as it is.
        layer_decay: Factor on the rate from each layer to the one below it, 1 for none.
        transfer: What is transferred from the checkpoint: the ``whole`` network but its segmentation heads, or the
            ``encoder``; None for the usual, `rasd_nnu.transfer.part_to_transfer`.
        require: Least share of the parameters that must fit; None for the usual (all of a checkpoint for this
            very plan, 0.7 of the encoder of others).
        width: ``crop`` or ``pad`` networks of other width; None refuses.
        inflate: Transfer a 2D network into a 3D one, by the ``centre`` slice or the ``mean``; None refuses.
        channels: Which input channel of the checkpoint each channel of the plan starts from, as `FitOptions`.
        mix: How and when images get a new appearance, in arms whose name says ``_mix``; None for the usual.

    Example:
        >>> recipe_for({}, {"RASD_OPTIMIZER": "adamw"}).rate
        0.0003
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float | None = Field(None, gt=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    freeze_encoder_epochs: int = Field(0, ge=0)
    layer_decay: float = Field(1.0, gt=0, le=1)
    transfer: Transfer | None = None
    require: float | None = Field(None, ge=0, le=1)
    width: Width | None = None
    inflate: Inflation | None = None
    channels: str | None = None
    mix: RenewConfig | None = None

    @field_validator("mix", mode="before")
    @classmethod
    def _read_mix(cls, value: Any) -> Any:
        """Read what a variable says: a kind as ``shift``, or settings as ``{kind: shift, share: 0.3}``."""
        if not isinstance(value, str):
            return value
        try:
            read = parse_yaml(value, "it")
        except ConfigError:
            read = None
        if isinstance(read, str):
            return {"kind": read}
        if not isinstance(read, dict):
            raise ValueError("should be a kind, as shift, or settings, as '{kind: shift, share: 0.3}'")
        return read

    @property
    def rate(self) -> float:
        """The highest rate."""
        return _DEFAULTS[self.optimizer][0] if self.lr is None else self.lr

    @property
    def weight_decay(self) -> float:
        """The optimiser's weight decay."""
        return _DEFAULTS[self.optimizer][1]

    @property
    def start(self) -> StartOptions:
        """How the network starts from a checkpoint."""
        return StartOptions(self.transfer, self.require, FitOptions(self.width, self.inflate, self.channels))


def recipe_for(
    plans: Mapping[str, Any], environment: Mapping[str, str] = os.environ, defaults: Mapping[str, Any] | None = None
) -> FinetuneRecipe:
    """Return the recipe that the variables ``RASD_<OPTION>`` ask for, else the plans' ``pretrain_info["rasd"]``.

    Args:
        plans: nnU-Net's plans.
        environment: Environment variables; an empty one counts as not set.
        defaults: What a trainer does where neither says otherwise.

    Raises:
        ConfigError: If an option is unknown, or a value is of the wrong kind or out of range.
    """
    planned = (plans.get("pretrain_info") or {}).get("rasd") or {}
    source = "pretrain_info['rasd'] of the plans"
    if not isinstance(planned, Mapping):
        raise ConfigError(f"{source} is {planned!r}, expected a mapping of options, as {{'lr': 0.001}}.")
    unknown = [name for name in planned if name not in FinetuneRecipe.model_fields]
    if unknown:
        raise ConfigError(
            f"unknown option {unknown[0]!r} in {source}, expected some of {', '.join(FinetuneRecipe.model_fields)}."
            f"{did_you_mean(str(unknown[0]), FinetuneRecipe.model_fields)}"
        )
    _refuse_misspelt(environment)
    variables = {name: environment.get(variable(name)) for name in FinetuneRecipe.model_fields}
    asked = {name: value for name, value in variables.items() if value}
    names = {name: f"{name!r} in {source}" for name in planned} | {name: variable(name) for name in asked}
    return _validated({**(defaults or {}), **planned, **asked}, names)


def may_overwrite(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether ``RASD_OVERWRITE`` allows a training to begin again over a finished one.

    Raises:
        ConfigError: If it is neither 0 nor 1.
    """
    value = environment.get(variable("overwrite"), "")
    if value not in ("", "0", "1"):
        raise ConfigError(f"RASD_OVERWRITE is {value!r}, expected 0 or 1.")
    return value == "1"


def variable(option: str) -> str:
    """Return the environment variable of an option."""
    return PREFIX + option.upper()


def _refuse_misspelt(environment: Mapping[str, str]) -> None:
    """Refuse variables that nearly have an option's name; others that begin alike belong to someone else."""
    known = [variable(name) for name in FinetuneRecipe.model_fields]
    for name in environment:
        if name.startswith(PREFIX) and name not in known:
            options = [option.upper() for option in FinetuneRecipe.model_fields]
            close = difflib.get_close_matches(name.removeprefix(PREFIX), options, n=1, cutoff=0.8)
            if close:
                raise ConfigError(f"unknown variable {name}. Did you mean {PREFIX}{close[0]}?")


def _validated(values: Mapping[str, Any], names: Mapping[str, str]) -> FinetuneRecipe:
    try:
        return FinetuneRecipe.model_validate(dict(values))
    except ConfigError as error:  # of the group of settings, which says which of them it is
        raise ConfigError(f"{names.get('mix', 'mix')}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0])
        reason = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
        raise ConfigError(f"{names.get(option, option)} is {first['input']!r}; it {reason}.") from None
