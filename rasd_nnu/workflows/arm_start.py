"""What classification and detection share: how an arm begins, and where its images lie."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from rasd_nnu.checkpoints.arms import arm_source
from rasd_nnu.checkpoints.read import Source, open_source
from rasd_nnu.checkpoints.registry import Choice, checkpoint_for
from rasd_nnu.checkpoints.seen import refuse_seen, seen_by
from rasd_nnu.errors import DatasetError, PlansError
from rasd_nnu.files import write_text
from rasd_nnu.nnunet.env import nnunet_folder
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.transfer import StartOptions, TransferReport, start
from rasd_nnu.transfer.start import Transfer

REPORT = "transfer_report.json"


def described(arm: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for and with which versions, for the reports."""
    versions = {name: importlib.metadata.version(name) for name in ("rasd-nnu", "nnunetv2", "torch")}
    return {"arm": arm, "recipe": dict(recipe), "versions": versions}


def start_arm(
    own: Mapping[str, Any],
    target: NetworkTarget,
    plans: dict[str, Any],
    planned: nn.Module,
    folder: Path,
    fold: int,
    held_out: Sequence[str],
    transfer: Transfer | None,
) -> TransferReport | None:
    """Transfer the weights of the arm, unless they learned from held-out cases, and write ``transfer_report.json``.

    Args:
        own: Of `described`.
        target: The planned network.
        plans: nnU-Net's plans, which may name the checkpoint.
        planned: The network that gets the weights.
        folder: Folder of the fold.
        fold: Its number.
        held_out: Cases that no weights may have learned from.
        transfer: Part of the checkpoint; None for what suits it.

    Returns:
        None for random weights.

    Raises:
        UserError: If the weights are missing, do not fit, or learned from held-out cases.
    """
    if own["arm"] == "scratch":
        write_text(folder / REPORT, json.dumps({**own, "checkpoint": None, "transfer": None}, indent=2) + "\n")
        return None
    source, choice = _source(own["arm"], target, plans)
    if (seen := seen_by(source)) is not None:
        refuse_seen(seen, target, fold, held_out)
    report = start(source, target, planned, StartOptions(transfer=transfer))
    content = {
        **own,
        "checkpoint": {"path": str(source.path.resolve()), "sha256": source.sha256, "chosen_by": choice.named_by},
        "transfer": report.to_dict(),
    }
    write_text(folder / REPORT, json.dumps(content, indent=2) + "\n")
    return report


def _source(arm: str, target: NetworkTarget, plans: dict[str, Any]) -> tuple[Source, Choice]:
    if arm == "rasd":
        choice = checkpoint_for(target, plans)
        return open_source(choice.path), choice
    return arm_source(arm)


def preprocessed_dataset(target: NetworkTarget, plans: dict[str, Any], configuration: str, names: Sequence[str]) -> Any:
    """Return nnU-Net's reader of the preprocessed cases ``names``.

    Raises:
        PlansError: If nothing is preprocessed.
    """
    from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    identifier = PlansManager(plans).get_configuration(configuration).data_identifier
    folder = nnunet_folder("nnUNet_preprocessed") / str(target.dataset) / identifier
    if not folder.is_dir() or not any(folder.iterdir()):
        raise PlansError(f"{folder} has no preprocessed cases. Preprocess the data set with nnU-Net.")
    return infer_dataset_class(str(folder))(str(folder), list(names))


def held_out_files(raw: Path, ending: str, names: Sequence[str]) -> dict[str, list[str]]:
    """Return case -> files of its channels in ``imagesTs``.

    Raises:
        DatasetError: If one has none.
    """
    files = {name: sorted(map(str, (raw / "imagesTs").glob(f"{name}_????{ending}"))) for name in names}
    missing = [name for name, found in files.items() if not found]
    if missing:
        raise DatasetError(f"{raw / 'imagesTs'} has no image of the held-out case {missing[0]!r}. Prepare again.")
    return files
