"""What `rasd_nnu choose` chose for a fold of a planned data set, and where it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from rasd_nnu.errors import ConfigError
from rasd_nnu.files import write_text
from rasd_nnu.nnunet.commands import DEFAULT_PLANS
from rasd_nnu.nnunet.datasets import dataset_id
from rasd_nnu.nnunet.env import nnunet_folder
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.pretrain.synthesis.renew import RenewConfig
from rasd_nnu.reading import read_json


class ArmChoice(BaseModel):
    """A chosen arm and why.

    Args:
        arm: ``scratch`` or ``rasd``.
        mix: How new appearances are mixed in, or None for not at all.
        reason: In a sentence.
        evidence: Scores of all arms on the inner folds, and how they were made.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    arm: Literal["scratch", "rasd"]
    mix: RenewConfig | None = None
    reason: str
    evidence: dict[str, Any]


def choice_path(target: NetworkTarget, fold: int | str) -> Path:
    """Return where the choice for a fold is kept: beside the preprocessed data, as it belongs to them."""
    folder = nnunet_folder("nnUNet_preprocessed") / str(target.dataset) / "rasd_choice"
    return folder / f"{target.plans}__{target.configuration}__fold_{fold}.json"


def choose_command(target: NetworkTarget, fold: int | str) -> str:
    """Return the command that makes the choice."""
    plans = "" if target.plans == DEFAULT_PLANS else f" -p {target.plans}"
    return f"rasd_nnu choose {dataset_id(str(target.dataset))} -c {target.configuration} -f {fold}{plans}"


def write_choice(choice: ArmChoice, target: NetworkTarget, fold: int | str) -> Path:
    """Keep a choice, and return where."""
    path = choice_path(target, fold)
    write_text(path, choice.model_dump_json(indent=2) + "\n")
    return path


def read_choice(target: NetworkTarget, fold: int | str) -> ArmChoice:
    """Return the choice for a fold.

    Raises:
        ConfigError: If none was made, or the file is damaged; the message holds the command that makes it.
    """
    path = choice_path(target, fold)
    if not path.is_file():
        raise ConfigError(
            f"no arm was chosen for {target.dataset}, plans {target.plans}, configuration {target.configuration}, fold "
            f"{fold} ({path} does not exist). Choose with: {choose_command(target, fold)}"
        )
    try:
        return ArmChoice.model_validate(read_json(path))
    except (ValidationError, ValueError, ConfigError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path} is damaged ({reason}). Choose again with: {choose_command(target, fold)}") from None
