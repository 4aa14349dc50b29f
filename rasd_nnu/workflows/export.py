"""A fine-tuned model in a folder of its own, which nnU-Net predicts with where this package is not installed."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasd_nnu.checkpoints.file import atomic_save
from rasd_nnu.checkpoints.metadata import check_entries
from rasd_nnu.checkpoints.read import read_content, state_dict
from rasd_nnu.checkpoints.seen import parse_seen, refuse_seen
from rasd_nnu.checkpoints.weights import check_weights
from rasd_nnu.errors import CheckpointError, ConfigError, PlansError
from rasd_nnu.files import write_text
from rasd_nnu.networks.build import constructing
from rasd_nnu.nnunet.env import nnunet_folder_if_set
from rasd_nnu.nnunet.names import plain_fold, plain_name
from rasd_nnu.nnunet.plans import NetworkTarget, read_pair, target_from_plans
from rasd_nnu.nnunet.preprocessed import Preprocessed, fold_name
from rasd_nnu.nnunet.results import Training
from rasd_nnu.reading import read_json_object

STOCK_TRAINER = "nnUNetTrainer"

#: Of nnU-Net's checkpoint, what predicting needs. The optimiser's state, half of the file, is of no use to others
#: and would not fit the stock trainer's optimiser after another recipe.
_KEPT = ("network_weights", "init_args", "inference_allowed_mirroring_axes", "current_epoch")

#: Marks a folder as an export, which another one may replace; a training has none.
MARKER = "rasd_export.json"

#: Files of a fold that `nnUNetv2_export_model_to_zip` takes along.
_FOLD_FILES = ("progress.png", "validation/summary.json")


@dataclass(frozen=True)
class Exported:
    """A model that was written.

    Args:
        folder: ``<out>/<data set>/<trainer>__<plans>__<configuration>``; ``<out>`` serves as ``nnUNet_results``.
        folds: Names of the folds, such as ``0`` or ``all``.
        trainer: Trainer name in the checkpoints.
        dataset: Full name of the data set.
        plans: Plans name.
        configuration: Configuration.
    """

    folder: Path
    folds: tuple[str, ...]
    trainer: str
    dataset: str
    plans: str
    configuration: str


def export_model(
    model: Path,
    out: Path,
    *,
    stock: bool = True,
    folds: Sequence[str] = (),
    checkpoint: str = "checkpoint_final.pth",
    overwrite: bool = False,
) -> Exported:
    """Copy a trained model for prediction elsewhere.

    Args:
        model: Folder of the trained model.
        out: Folder to write below, as if it were ``nnUNet_results``.
        stock: Name nnU-Net's own trainer in it, after proving that it builds this very network.
        folds: Folds to take; all that have the checkpoint by default.
        checkpoint: Name of the checkpoint's file; it becomes ``checkpoint_final.pth``.
        overwrite: Replace an earlier export; never anything else.

    Raises:
        ConfigError: If the target exists and is no earlier export, or a name would lead out of ``out``.
        CheckpointError: If a fold has no such checkpoint, or it is damaged, not finite or of another configuration.
        PlansError: If the plans are not of nnU-Net's form, name anything but networks, or nnU-Net's own trainer cannot
            build the network.
        TransferError: If a fold started from weights that learned from cases which it holds out.
    """
    plans, dataset_json = read_pair(model / "plans.json", model / "dataset.json")
    # Where the weights came from is a path on this machine.
    plans.pop("pretrain_info", None)
    files = _fold_files(model, folds, checkpoint)
    trainer, configuration = _identity(files)
    target = target_from_plans(plans, dataset_json, configuration)  # refuses what a receiver must not be given
    for fold, file in files.items():
        _refuse_leak(file.with_name("transfer_report.json"), fold, target)
    chosen = STOCK_TRAINER if stock else trainer
    folder = Training(out, plans["dataset_name"], chosen, plans["plans_name"], configuration).folder
    _check_target(folder, model, overwrite=overwrite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export_", dir=folder.parent) as temporary:
        work = Path(temporary) / folder.name
        for fold, file in files.items():
            content = _prediction_part(file, chosen, plans)
            if stock:
                _prove(content, plans, dataset_json, configuration, file)
            atomic_save(content, work / f"fold_{fold}" / "checkpoint_final.pth")
            _copy(file.parent, work / f"fold_{fold}", _FOLD_FILES)
        _copy(model, work, ("dataset.json", "dataset_fingerprint.json", *_crossvalidation(model)))
        write_text(work / "plans.json", json.dumps(plans, indent=4))
        write_text(work / MARKER, json.dumps({"trainer": trainer, "folds": list(files)}))
        _replace(folder, work, Path(temporary) / "replaced")
    return Exported(folder, tuple(files), chosen, plans["dataset_name"], plans["plans_name"], configuration)


def _check_target(folder: Path, model: Path, *, overwrite: bool) -> None:
    """Refuse a target that is there, unless it is an earlier export that may be replaced.

    Raises:
        ConfigError: With what is in the way.
    """
    here, there = folder.resolve(), model.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise ConfigError(f"{folder} is the model itself, or one of the two is in the other. Give another --out.")
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_symlink() or not (folder / MARKER).is_file():
        raise ConfigError(
            f"{folder} exists and is no earlier export (it has no {MARKER}); only an export is replaced. Give another "
            "--out, or move it away."
        )
    if not overwrite:
        raise ConfigError(f"{folder} exists. Give --overwrite, or another --out.")


def _replace(folder: Path, new: Path, old: Path) -> None:
    """Put ``new`` at ``folder``; what was there goes to ``old``, and back if that fails."""
    if folder.exists():
        folder.replace(old)
    try:
        new.replace(folder)
    except OSError:
        if old.exists():
            old.replace(folder)
        raise


def _fold_files(model: Path, folds: Sequence[str], checkpoint: str) -> dict[str, Path]:
    """Return fold -> checkpoint."""
    plain_name(checkpoint, "the name of the checkpoint's file", ConfigError)
    found = {p.name.removeprefix("fold_"): p / checkpoint for p in sorted(model.glob("fold_*")) if p.is_dir()}
    there = {plain_fold(fold, ConfigError): path for fold, path in found.items() if path.is_file()}
    missing = [fold for fold in folds if fold not in there]
    if missing or not there:
        raise CheckpointError(
            f"{model} has no {checkpoint} of fold {', '.join(missing) or 'any'} (found: {', '.join(there) or 'none'}). "
            "Finish the training, or choose with -f and -chk."
        )
    return {fold: there[fold] for fold in folds} if folds else there


def _identity(files: dict[str, Path]) -> tuple[str, str]:
    """Return the one trainer and configuration of all checkpoints."""
    found = set()
    for file in files.values():
        content = read_content(file)
        check_entries(file, content)
        if any(not content.get(key) for key in ("trainer_name", "init_args", "network_weights")):
            raise CheckpointError(f"{file} is not a checkpoint of nnU-Net's training (no trainer_name or init_args).")
        found.add((content["trainer_name"], content["init_args"]["configuration"]))
    if len(found) > 1:
        raise CheckpointError(f"the folds are of different runs: {sorted(found)}. Choose with -f.")
    trainer, configuration = found.pop()
    return trainer, configuration


def _refuse_leak(report: Path, fold: str, target: NetworkTarget) -> None:
    """Check once more what the trainer checked at its start, as splits may have changed since; where the data are."""
    home = nnunet_folder_if_set("nnUNet_preprocessed")
    if not report.is_file() or home is None or not (home / str(target.dataset)).is_dir():
        return
    start = read_json_object(report, CheckpointError).get("checkpoint") or {}
    entry = (start.get("rasd") or {}).get("seen")
    if entry is None:
        return
    held_out = Preprocessed(target).fold(fold_name(fold)).validation
    refuse_seen(parse_seen(report, entry), target, fold, held_out)


def _prediction_part(file: Path, trainer: str, plans: dict[str, Any]) -> dict[str, Any]:
    """Return the checkpoint with another trainer's name, and what it was in an entry of ours.

    Raises:
        CheckpointError: If its weights are not finite numbers.
    """
    content = read_content(file)
    check_weights(file, state_dict(file, content))
    kept = {key: content[key] for key in _KEPT if key in content}
    arguments = {**content["init_args"], "plans": plans}
    recipe = arguments.pop("rasd_recipe", None)
    origin = {
        "trainer_name": content["trainer_name"],
        "recipe": recipe,
        "rasd-nnu": importlib.metadata.version("rasd-nnu"),
    }
    return {**kept, "init_args": arguments, "trainer_name": trainer, "rasd_export": origin}


def _prove(
    content: dict[str, Any], plans: dict[str, Any], dataset_json: dict[str, Any], configuration: str, file: Path
) -> None:
    """Build the network as stock nnU-Net does for a prediction, and load the weights.

    Raises:
        PlansError: If they do not fit, as those of another network than the planned one.
    """
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    manager = PlansManager(plans)
    resolved = manager.get_configuration(configuration)
    if resolved.network_arch_class_name.startswith("rasd_nnu."):
        raise PlansError(
            f"the plans of {file} ask for {resolved.network_arch_class_name}, which is in this package only. "
            "Export without --stock-trainer; the receiver then needs rasd-nnu."
        )
    with constructing(resolved.network_arch_class_name):
        network = nnUNetTrainer.build_network_architecture(
            manager,
            resolved,
            determine_num_input_channels(manager, resolved, dataset_json),
            manager.get_label_manager(dataset_json).num_segmentation_heads,
            enable_deep_supervision=False,
        )
    try:
        network.load_state_dict(content["network_weights"])
    except RuntimeError:
        raise PlansError(
            f"{file} ({content['rasd_export']['trainer_name']}) does not hold the planned network, which is the only "
            "one that nnU-Net's own trainer builds. Export without --stock-trainer; the receiver then needs rasd-nnu."
        ) from None


def _crossvalidation(model: Path) -> list[str]:
    """Return the files by which `nnUNetv2_find_best_configuration` tells what post-processing to apply."""
    names = ("summary.json", "postprocessing.pkl", "postprocessing.json")
    return [f"{folder.name}/{name}" for folder in sorted(model.glob("crossval_results_folds_*")) for name in names]


def _copy(source: Path, target: Path, names: Sequence[str]) -> None:
    """Copy those of the files that are there."""
    for name in names:
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target / name)
