"""A trained classifier or detector in one file, with all that predicting takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from rasd_nnu.checkpoints.file import atomic_save, host_weights, safe_load
from rasd_nnu.checkpoints.read import state_dict
from rasd_nnu.checkpoints.weights import check_weights
from rasd_nnu.errors import CheckpointError, first_problem
from rasd_nnu.nnunet.plans import NetworkTarget, read_plans, target_from_plans
from rasd_nnu.nnunet.results import MODEL
from rasd_nnu.reading import check_plain

#: Names of classes or of questions.
Names = Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(min_length=1, max_length=1000)]
S = TypeVar("S", bound="Stored")


@dataclass(frozen=True)
class Plan:
    """nnU-Net's preprocessing and network of a configuration.

    Args:
        plans: nnU-Net's plans.
        dataset_json: nnU-Net's description of the data set.
        configuration: Planned configuration.
    """

    plans: Mapping[str, Any]
    dataset_json: Mapping[str, Any]
    configuration: str

    @classmethod
    def of(cls, dataset: str, plans: str, configuration: str) -> Plan:
        """Read the plans of a data set.

        Raises:
            PlansError: If there are none.
        """
        return cls(*read_plans(dataset, plans), configuration)

    @property
    def target(self) -> NetworkTarget:
        """The planned network."""
        return target_from_plans(dict(self.plans), dict(self.dataset_json), self.configuration)


def save_model(folder: Path, kind: tuple[str, int], network: nn.Module, plan: Plan, own: Mapping[str, Any]) -> None:
    """Write ``model.pth`` into ``folder``.

    Args:
        folder: Of the fold.
        kind: Key that says what it is, and version of its format.
        network: The network.
        plan: What it was planned as.
        own: What else its kind needs.
    """
    content = {
        kind[0]: kind[1],
        "network_weights": host_weights(network),
        "plans": {key: value for key, value in plan.plans.items() if key != "pretrain_info"},
        "dataset_json": dict(plan.dataset_json),
        "configuration": plan.configuration,
        **own,
    }
    atomic_save(content, folder / MODEL)


class Stored(BaseModel):
    """What every such file holds besides its weights; plans and ``dataset.json`` are checked where they are used."""

    model_config = ConfigDict(strict=True)

    plans: dict[str, Any]
    dataset_json: dict[str, Any]
    configuration: str

    @property
    def plan(self) -> Plan:
        """For the preprocessing."""
        return Plan(self.plans, self.dataset_json, self.configuration)


def load_model(folder: Path, kind: tuple[str, int], what: str, form: type[S]) -> tuple[S, dict[str, Tensor]]:
    """Read ``model.pth`` from ``folder``, which may come from anybody; return what it says, and its weights.

    Args:
        folder: Of the fold.
        kind: As in `save_model`.
        what: What to call it in an error.
        form: What the file has to hold.

    Raises:
        CheckpointError: If it is missing, damaged, of another kind, or its weights are no finite numbers.
    """
    path = folder / MODEL
    content = safe_load(path)
    version = content.get(kind[0])
    if type(version) is not int or version != kind[1]:
        raise CheckpointError(f"{path} is no {what} of `rasd_nnu finetune`. Give the folder of one.")
    try:
        said = form.model_validate(content)
        check_plain(said.model_dump(exclude={"plans", "dataset_json"}))
    except ValidationError as error:
        raise CheckpointError(f"{path} is damaged: {first_problem(error)}. Copy it again, or train again.") from None
    except ValueError as error:
        raise CheckpointError(f"{path} is not usable: {error}. Train again.") from None
    weights = state_dict(path, {"network_weights": content.get("network_weights")})
    check_weights(path, weights)
    return said, weights


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Load the weights that `load_model` read.

    Raises:
        CheckpointError: If they are not those of the network.
    """
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(f"{folder / MODEL} does not fit the network of its plans: {first} Train again.") from None
