"""A trained classifier or detector in one file, with all that predicting takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from rasd_nnu.checkpoints.file import atomic_save, host_weights, safe_load
from rasd_nnu.errors import CheckpointError
from rasd_nnu.nnunet.plans import NetworkTarget, read_plans, target_from_plans
from rasd_nnu.nnunet.results import MODEL


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


def load_model(folder: Path, kind: tuple[str, int], what: str, own: Sequence[str]) -> tuple[dict[str, Any], Plan]:
    """Read ``model.pth`` from ``folder``.

    Args:
        folder: Of the fold.
        kind: As in `save_model`.
        what: What to call it in an error.
        own: Keys that its kind needs.

    Raises:
        CheckpointError: If it is missing, damaged, or of another kind.
    """
    path = folder / MODEL
    content = safe_load(path)
    if content.get(kind[0]) != kind[1]:
        raise CheckpointError(f"{path} is no {what} of `rasd_nnu finetune`. Give the folder of one.")
    if missing := [
        key for key in ("network_weights", "plans", "dataset_json", "configuration", *own) if key not in content
    ]:
        raise CheckpointError(f"{path} has no {missing[0]!r}. Train again.")
    return content, Plan(content["plans"], content["dataset_json"], content["configuration"])


def load_weights(network: nn.Module, content: Mapping[str, Any], folder: Path) -> None:
    """Load the weights that `load_model` read.

    Raises:
        CheckpointError: If they are not those of the network.
    """
    try:
        network.load_state_dict(content["network_weights"])
    except (RuntimeError, TypeError) as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(f"{folder / MODEL} does not fit the network of its plans: {first} Train again.") from None
