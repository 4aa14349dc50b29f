"""What classification and detection share: how an arm begins and ends, and where its images lie."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from rasd_nnu.checkpoints.arms import arm_source
from rasd_nnu.checkpoints.read import Source, open_source
from rasd_nnu.checkpoints.registry import Choice, checkpoint_for
from rasd_nnu.checkpoints.seen import refuse_seen, seen_by
from rasd_nnu.errors import ConfigError, DatasetError, PlansError
from rasd_nnu.files import write_text
from rasd_nnu.locks import exclusive
from rasd_nnu.nnunet.datasets import channel_files
from rasd_nnu.nnunet.env import nnunet_folder
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.nnunet.results import MODEL, Training
from rasd_nnu.nnunet.trainer_names import TrainerName, parse_name
from rasd_nnu.tasks.data import TaskData
from rasd_nnu.tasks.loop import Recipe
from rasd_nnu.tasks.stored import Plan
from rasd_nnu.transfer import StartOptions, TransferReport, start
from rasd_nnu.transfer.start import Transfer

REPORT = "transfer_report.json"
#: What a training goes on from.
STATE = "state.pth"


@dataclass(frozen=True, kw_only=True)
class ArmSettings:
    """What to train.

    Args:
        arm: ``rasd``, ``scratch`` or a registered one.
        fold: Fold of ``splits_final.json``.
        labelled: Labelled cases, drawn by patient and nested (the first 20 are among the first 100); None for all.
        device: ``cpu`` or ``cuda``.
        overwrite: Replace an earlier training.
        resume: Leave a finished training as it is, instead of refusing it.
    """

    arm: str = "rasd"
    fold: int = 0
    labelled: int | None = None
    device: str = "cpu"
    overwrite: bool = False
    resume: bool = False

    def name_of(self, kind: str, recipe: Recipe, *, series: bool = False) -> str:
        """Return the trainer's name, which the folder is named by.

        Raises:
            ConfigError: If there is no such arm.
        """
        name = TrainerName(self.arm, recipe.epochs, seed=recipe.seed, kind=kind, labelled=self.labelled, series=series)
        if parse_name(str(name)) != name:
            raise ConfigError(f"unknown arm {self.arm!r}, expected rasd, scratch or the name of a registered one.")
        return str(name)


@contextmanager
def arm_folder(
    settings: ArmSettings, name: str, dataset: str, plans: str, configuration: str
) -> Iterator[tuple[Path, bool]]:
    """Give the folder of the fold, and whether a finished training is in it that is to be left as it is.

    No other process trains there until the block ends.

    Raises:
        ConfigError: If one is in it that is neither to be replaced nor to be left as it is.
        LockError: If another process trains there.
    """
    folder = Training(nnunet_folder("nnUNet_results"), dataset, name, plans, configuration).fold(settings.fold)
    with exclusive(folder.with_name(f"{folder.name}.training")):
        finished = (folder / MODEL).is_file() and not settings.overwrite
        if finished and not settings.resume:
            raise ConfigError(f"{folder} holds a finished training. Give --overwrite, or another --seed.")
        yield folder, finished


class Saved(Protocol):
    """A model that can be saved."""

    def save(self, folder: Path) -> None:
        """Write ``model.pth`` into ``folder``."""


def finish(
    folder: Path,
    model: Saved,
    scores: Mapping[str, Any],
    own: Mapping[str, Any],
    report: TransferReport | None,
    begin: float,
) -> None:
    """Write ``scores.json``, ``run_report.json`` and last, as it says that the training is finished, ``model.pth``.

    Args:
        folder: Of the fold.
        model: The model.
        scores: Of validation and test.
        own: What `described` returned.
        report: What was transferred.
        begin: `time.perf_counter` at the beginning.
    """
    write_text(folder / "scores.json", json.dumps(scores, indent=2) + "\n")
    seconds = round(time.perf_counter() - begin, 1)
    run = {**own, "seconds": seconds, "transferred": report and report.to_dict()["shares"]}
    write_text(folder / "run_report.json", json.dumps(run, indent=2) + "\n")
    model.save(folder)
    (folder / STATE).unlink()


def described(arm: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for and with which versions, for the reports."""
    versions = {name: importlib.metadata.version(name) for name in ("rasd-nnu", "nnunetv2", "torch")}
    return {"arm": arm, "recipe": dict(recipe), "versions": versions}


def start_arm(
    own: Mapping[str, Any],
    plan: Plan,
    planned: nn.Module,
    folder: Path,
    settings: ArmSettings,
    held_out: Sequence[str],
    transfer: Transfer | None,
) -> TransferReport | None:
    """Transfer the weights of the arm, unless they learned from held-out cases, and write ``transfer_report.json``.

    Only then an earlier training is removed, if it is to be replaced.

    Args:
        own: Of `described`.
        plan: nnU-Net's, which may name the checkpoint.
        planned: The network that gets the weights.
        folder: Folder of the fold.
        settings: What to train.
        held_out: Cases that no weights may have learned from.
        transfer: Part of the checkpoint; None for what suits it.

    Returns:
        None for random weights.

    Raises:
        UserError: If the weights are missing, do not fit, or learned from held-out cases.
    """
    report, content = None, {**own, "checkpoint": None, "transfer": None}
    if settings.arm != "scratch":
        target = plan.target
        source, choice = _source(settings.arm, target, dict(plan.plans))
        if (seen := seen_by(source)) is not None:
            refuse_seen(seen, target, settings.fold, held_out)
        report = start(source, target, planned, StartOptions(transfer=transfer))
        path = str(source.path.resolve())
        content["checkpoint"] = {"path": path, "sha256": source.sha256, "chosen_by": choice.named_by}
        content["transfer"] = report.to_dict()
    if settings.overwrite and folder.is_dir():
        shutil.rmtree(folder)
    (folder / "validation").mkdir(parents=True, exist_ok=True)
    write_text(folder / REPORT, json.dumps(content, indent=2) + "\n")
    return report


def _source(arm: str, target: NetworkTarget, plans: dict[str, Any]) -> tuple[Source, Choice]:
    if arm == "rasd":
        choice = checkpoint_for(target, plans)
        return open_source(choice.path), choice
    return arm_source(arm)


def preprocessed_dataset(plan: Plan, names: Sequence[str]) -> Any:
    """Return nnU-Net's reader of the preprocessed cases ``names``.

    Raises:
        PlansError: If nothing is preprocessed.
    """
    from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    identifier = PlansManager(dict(plan.plans)).get_configuration(plan.configuration).data_identifier
    folder = nnunet_folder("nnUNet_preprocessed") / str(plan.target.dataset) / identifier
    if not folder.is_dir() or not any(folder.iterdir()):
        raise PlansError(f"{folder} has no preprocessed cases. Preprocess the data set with nnU-Net.")
    return infer_dataset_class(str(folder))(str(folder), list(names))


def held_out_files(data: TaskData[Any]) -> dict[str, list[str]]:
    """Return held-out case -> files of its channels in ``imagesTs``.

    Raises:
        DatasetError: If one has none.
    """
    folder, ending = data.folder / "imagesTs", data.dataset_json["file_ending"]
    files = {case.name: channel_files(folder, case.name, ending) for case in data.test_cases()}
    missing = [name for name, found in files.items() if not found]
    if missing:
        raise DatasetError(f"{folder} has no image of the held-out case {missing[0]!r}. Prepare again.")
    return files
