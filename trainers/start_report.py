"""``transfer_report.json``: from what a run started, and by which recipe it goes on."""

from __future__ import annotations

import importlib.metadata
from typing import Any, Protocol

from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from rasd_nnu.checkpoints.read import Source
from rasd_nnu.checkpoints.registry import Choice
from rasd_nnu.checkpoints.seen import seen_by
from rasd_nnu.nnunet.trainer_names import TrainerName
from rasd_nnu.trainers.options import FinetuneRecipe
from rasd_nnu.transfer import TransferReport


class StartedTrainer(Protocol):
    """What the report asks of a trainer."""

    run: TrainerName
    recipe: FinetuneRecipe
    plans_manager: PlansManager
    configuration_manager: ConfigurationManager
    configuration_name: str
    fold: int
    num_epochs: int
    num_iterations_per_epoch: int
    num_val_iterations_per_epoch: int


def start_report(
    trainer: StartedTrainer, checkpoint: tuple[Source, Choice] | None, transfer: TransferReport | None
) -> dict[str, Any]:
    """Return plain values that say how a run started.

    Args:
        trainer: The initialised trainer.
        checkpoint: The checkpoint and what named it, or None for the scratch arm.
        transfer: What was transferred, or None for the scratch arm.

    Returns:
        ``arm``, ``seed``, ``recipe``, ``checkpoint`` and ``transfer`` (both None for the scratch arm), ``versions``
        and the run's identity.
    """
    return {
        "trainer": type(trainer).__name__,
        "arm": trainer.run.arm,
        "seed": trainer.run.seed,
        "dataset": trainer.plans_manager.dataset_name,
        "plans": trainer.plans_manager.plans_name,
        "configuration": trainer.configuration_name,
        "fold": trainer.fold,
        "recipe": _recipe(trainer),
        "checkpoint": checkpoint and _provenance(*checkpoint),
        "transfer": transfer and transfer.to_dict(),
        "versions": {name: importlib.metadata.version(name) for name in ("rasd-nnu", "nnunetv2", "torch")},
    }


def describe_start(checkpoint: tuple[Source, Choice] | None, transfer: TransferReport | None) -> str:
    """Return lines for the log: the file, the table of the transfer, and its shares."""
    if checkpoint is None or transfer is None:
        return "random weights, no checkpoint is loaded"
    source, choice = checkpoint
    return (
        f"weights of {source.path} (named by {choice.named_by}, sha256 {source.sha256[:12]})\n{transfer.table()}\n"
        f"transferred {transfer.share_of_tensors():.1%} of the distinct tensors and "
        f"{transfer.share_of_parameters():.1%} of the parameters, segmentation heads apart"
    )


def _provenance(source: Source, choice: Choice) -> dict[str, Any]:
    seen = seen_by(source)
    return {
        "path": str(source.path.resolve()),
        "sha256": source.sha256,
        "chosen_by": choice.named_by,
        "learned_from": seen and {"dataset": seen.dataset, "fold": seen.fold, "cases": sorted(seen.cases)},
        "rasd": {k: v for k, v in source.meta.items() if k != "architecture"},
    }


def _recipe(trainer: StartedTrainer) -> dict[str, Any]:
    """Return what both arms have in common."""
    return {
        **trainer.recipe.model_dump(mode="json"),
        "lr": trainer.recipe.rate,
        "weight_decay": trainer.recipe.weight_decay,
        "schedule": "linear warm-up, then poly 0.9",
        "epochs": trainer.num_epochs,
        "iterations_per_epoch": trainer.num_iterations_per_epoch,
        "val_iterations_per_epoch": trainer.num_val_iterations_per_epoch,
        "batch_size": trainer.configuration_manager.batch_size,
    }
