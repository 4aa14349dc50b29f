"""`rasd_nnu finetune` of a detection data set: one arm, one fold, one seed."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rasd_nnu.errors import ConfigError
from rasd_nnu.files import write_text
from rasd_nnu.nnunet.env import nnunet_folder
from rasd_nnu.nnunet.plans import read_plans, target_from_plans
from rasd_nnu.nnunet.results import MODEL, SUMMARY
from rasd_nnu.nnunet.trainer_names import TrainerName, parse_name
from rasd_nnu.records.detection import DetectionCase, write_detections
from rasd_nnu.tasks.detection.data import Case, DetectionData, read_data
from rasd_nnu.tasks.detection.images import FileImages, Images, PreprocessedImages
from rasd_nnu.tasks.detection.model import Model
from rasd_nnu.tasks.detection.network import Anchors, build_detector, levels_of
from rasd_nnu.tasks.detection.stand_in import write_stand_ins
from rasd_nnu.tasks.detection.train import DetectionRecipe, train
from rasd_nnu.transfer.start import Transfer
from rasd_nnu.workflows.arm_start import described, held_out_files, preprocessed_dataset, start_arm
from rasd_nnu.workflows.detection_scores import detection_scores

_RECORDS = SUMMARY.with_name("detections.json")  # beside nnU-Net's, so that `compare` finds both alike


@dataclass(frozen=True)
class DetectionSettings:
    """What to train.

    Args:
        arm: ``rasd``, ``scratch`` or a registered one.
        fold: Fold of ``splits_final.json``.
        recipe: How.
        transfer: Part of the checkpoint to transfer, ``encoder`` or ``whole``; None for what suits it.
        device: ``cpu`` or ``cuda``.
        overwrite: Replace an earlier training.
        resume: Leave a finished training as it is, instead of refusing it.
    """

    arm: str = "rasd"
    fold: int = 0
    recipe: DetectionRecipe = DetectionRecipe()  # noqa: RUF009  (frozen)
    transfer: Transfer | None = None
    device: str = "cpu"
    overwrite: bool = False
    resume: bool = False

    @property
    def name(self) -> str:
        """Name of the arm's folder."""
        name = TrainerName(self.arm, self.recipe.epochs, seed=self.recipe.seed, kind="Detector")
        if parse_name(str(name)) != name:
            raise ConfigError(f"unknown arm {self.arm!r}, expected rasd, scratch or the name of a registered one.")
        return str(name)


def finetune_detector(
    dataset: str,
    configuration: str,
    plans: str,
    settings: DetectionSettings,
    *,
    tell: Callable[[str], None] = lambda _: None,
    track: Callable[[Iterable[Case]], Iterable[Case]] = lambda cases: cases,
) -> Path:
    """Train an arm and predict; return its folder.

    Args:
        dataset: Full name of a raw data set of detection.
        configuration: Planned configuration.
        plans: Plans name.
        settings: What to train.
        tell: Is told how it goes.
        track: Shows the progress of preparing.

    Returns:
        The folder with ``validation/detections.json`` (the fold's validation cases), ``test_detections.json``
        (held-out cases, where there are any), ``scores.json``, ``model.pth``, ``transfer_report.json`` and
        ``run_report.json``.

    Raises:
        UserError: If data, plans or weights are missing or do not fit.
    """
    begin = time.perf_counter()
    raw, recipe = nnunet_folder("nnUNet_raw") / dataset, settings.recipe
    data = read_data(raw)
    if not 0 <= settings.fold < len(data.folds):
        raise ConfigError(f"there is no fold {settings.fold}, expected 0 to {len(data.folds) - 1}.")
    write_stand_ins(data, track)
    content, dataset_json = read_plans(dataset, plans)
    target = target_from_plans(content, dataset_json, configuration)
    folder = _folder(dataset, configuration, plans, settings)
    if (folder / MODEL).is_file():
        return folder

    training, validation = (data.by_name(names) for names in data.folds[settings.fold])
    reader = preprocessed_dataset(target, content, configuration, [case.name for case in data.cases])
    images = PreprocessedImages(reader, content, target.dims)
    anchors = Anchors.fitted(_edges(training, images), levels_of(target))
    detector, planned = build_detector(
        target,
        len(data.classes),
        anchors,
        seed=recipe.seed,
        low_precision=recipe.low_precision,
    )
    own = described(settings.arm, {**asdict(recipe), "transfer": settings.transfer})
    held_out = [case.name for case in (*validation, *data.test_cases())]
    report = start_arm(own, target, content, planned, folder, settings.fold, held_out, settings.transfer)
    if report is not None:
        tell(report.table())
    device = torch.device(settings.device)
    state = folder / "state.pth"

    def tell_epoch(epoch: int, loss: float) -> None:
        tell(f"epoch {epoch + 1} of {recipe.epochs}: loss {loss:.4f}")

    train(detector, target, training, images, recipe, device, state, tell_epoch, settings.transfer)
    model = Model(detector, data.classes, anchors, content, dataset_json, configuration)
    result = {"validation": _predict(model, validation, images, settings.fold, folder / _RECORDS, device)}
    if test := data.test_cases():
        result["test"] = _predict(
            model, test, _held_out(raw, data, model), None, folder / "test_detections.json", device
        )
    write_text(folder / "scores.json", json.dumps(result, indent=2) + "\n")
    run = {
        **own,
        "training_cases": len(training),
        "seconds": round(time.perf_counter() - begin, 1),
        "transferred": report and report.to_dict()["shares"],
    }
    write_text(folder / "run_report.json", json.dumps(run, indent=2) + "\n")
    model.save(folder)  # last, as it says that the training is finished
    state.unlink()
    return folder


def _folder(dataset: str, configuration: str, plans: str, settings: DetectionSettings) -> Path:
    """Return the folder of the fold, which exists; with a finished training in it only where `resume` allows that."""
    folder = nnunet_folder("nnUNet_results") / dataset / f"{settings.name}__{plans}__{configuration}"
    folder /= f"fold_{settings.fold}"
    if settings.overwrite and folder.is_dir():
        shutil.rmtree(folder)
    if (folder / MODEL).is_file() and not settings.resume:
        raise ConfigError(f"{folder} holds a finished training. Give --overwrite, or another --seed.")
    (folder / _RECORDS).parent.mkdir(parents=True, exist_ok=True)
    return folder


def _edges(cases: Sequence[Case], images: Images) -> np.ndarray:
    """Return the edges ``(boxes, axes)`` of the true boxes in voxels of the network's input."""
    boxes = torch.cat([images[case.name].geometry.to_network(case.boxes) for case in cases if case.boxes]).numpy()
    dims = boxes.shape[1] // 2
    edges: np.ndarray = boxes[:, dims:] - boxes[:, :dims]
    return edges


def _held_out(raw: Path, data: DetectionData, model: Model) -> FileImages:
    files = held_out_files(raw, data.dataset_json["file_ending"], [case.name for case in data.test_cases()])
    return FileImages(files, model.plans, model.dataset_json, model.configuration, model.target.dims)


def _predict(
    model: Model, cases: Sequence[Case], images: Images, fold: int | None, out: Path, device: torch.device
) -> dict[str, Any]:
    """Write the records of ``cases`` and return their scores."""
    rows = []
    for case in cases:
        found = model.find(images[case.name], device)
        rows.append(
            DetectionCase(
                case=case.name,
                group=case.group,
                fold=fold,
                boxes_true=case.boxes,
                labels_true=case.labels,
                boxes=found.boxes,
                scores=found.scores,
                labels=found.labels,
            )
        )
    write_detections(out, model.classes, rows)
    return detection_scores(rows, model.classes)
