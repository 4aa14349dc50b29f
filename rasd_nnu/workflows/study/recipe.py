"""From the options of an arm to the variables and arguments of our commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rasd_nnu.errors import ConfigError, did_you_mean
from rasd_nnu.workflows.study.config import STUDY_FILE, Pretraining, StudyConfig, explained_fault

_LEFT_OUT = ("maps", "set", "normalize")


def variables(config: StudyConfig, arm: str) -> dict[str, str]:
    """Return the ``RASD_*`` variables of an arm's fine-tuning, checked as the trainer checks them.

    Raises:
        ConfigError: If an option is unknown or its value is not allowed.
    """
    from rasd_nnu.trainers.options import FinetuneRecipe, recipe_for, variable

    options: dict[str, Any] = {**config.finetune, **config.arms[arm].finetune}
    if config.arms[arm].mix is not None:
        options["mix"] = config.arms[arm].mix
    for name in options:
        if name not in FinetuneRecipe.model_fields:
            raise ConfigError(
                f"unknown option {name!r} of finetune, expected some of {', '.join(FinetuneRecipe.model_fields)}."
                f"{did_you_mean(name, FinetuneRecipe.model_fields)}"
            )
    found = {variable(name): _text(value) for name, value in options.items() if value is not None}
    recipe_for({}, found)
    return found


def check_recipes(config: StudyConfig, folder: Path) -> None:
    """Check what other modules know more about: the options of each arm's pre-training, fine-tuning and mixing.

    Raises:
        ConfigError: If an option is unknown or its value is not allowed.
    """
    for arm in config.arms:
        try:
            variables(config, arm)
            config.pretraining(arm)
        except ValidationError as error:
            raise ConfigError(f"{folder / STUDY_FILE}: arms.{arm}.pretrain: {explained_fault(error)}") from None
        except ConfigError as error:
            raise ConfigError(f"{folder / STUDY_FILE}: arms.{arm}: {error}") from None


def pretrain_options(options: Pretraining) -> list[str]:
    """Return the arguments of ``rasd_nnu pretrain``."""
    arguments: list[str] = []
    for name, value in options.model_dump(exclude_none=True).items():
        if name not in _LEFT_OUT:
            arguments += [f"--{name.replace('_', '-')}", _text(value)]
    if options.normalize is not None:
        arguments.append("--normalize" if options.normalize else "--no-normalize")
    for change in options.set:
        arguments += ["--set", change]
    return arguments + (["--maps", options.maps] if options.maps != "fields" else [])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
