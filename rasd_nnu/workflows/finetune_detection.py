"""`rasd_nnu finetune` of a detection data set: one arm, one fold, one seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rasd_nnu.nnunet.env import nnunet_folder
from rasd_nnu.nnunet.results import SUMMARY
from rasd_nnu.records.detection import DetectionCase, write_detections
from rasd_nnu.tasks.data import draw_labelled
from rasd_nnu.tasks.detection.data import Case, kind_of, read_data, with_boxes
from rasd_nnu.tasks.detection.images import FileImages, Images, PreprocessedImages
from rasd_nnu.tasks.detection.model import Model
from rasd_nnu.tasks.detection.network import Anchors, build_detector, levels_of
from rasd_nnu.tasks.detection.stand_in import write_stand_ins
from rasd_nnu.tasks.detection.train import DetectionRecipe, train
from rasd_nnu.tasks.loop import Progress
from rasd_nnu.tasks.stored import Plan
from rasd_nnu.transfer.start import Transfer
from rasd_nnu.workflows.arm_start import (
    STATE,
    ArmSettings,
    arm_folder,
    described,
    finish,
    held_out_files,
    preprocessed_dataset,
    start_arm,
)
from rasd_nnu.workflows.detection_scores import detection_scores

_RECORDS = SUMMARY.with_name("detections.json")  # beside nnU-Net's, so that `compare` finds both alike


@dataclass(frozen=True, kw_only=True)
class DetectionSettings(ArmSettings):
    """What to train.

    Args:
        recipe: How.
        transfer: Part of the checkpoint to transfer, ``encoder`` or ``whole``; None for what suits it.
    """

    recipe: DetectionRecipe = DetectionRecipe()  # noqa: RUF009  (frozen)
    transfer: Transfer | None = None

    @property
    def name(self) -> str:
        """Name of the arm's folder."""
        return self.name_of("Detector", self.recipe)


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
        (held-out cases, where there are any), ``scores.json``, ``model.pth``, ``training_curve.csv``,
        ``transfer_report.json`` and ``run_report.json``.

    Raises:
        UserError: If data, plans or weights are missing or do not fit.
    """
    begin, recipe = time.perf_counter(), settings.recipe
    data, device = read_data(nnunet_folder("nnUNet_raw") / dataset), torch.device(settings.device)
    training, validation = data.fold(settings.fold)
    training = draw_labelled(training, settings.labelled, recipe.seed, kind_of)
    with_boxes(training, f"of the {len(training)} labelled cases", dataset)
    write_stand_ins(data, track)
    plan = Plan.of(dataset, plans, configuration)
    with arm_folder(settings, settings.name, dataset, plans, configuration) as (folder, finished):
        if finished:
            return folder

        images = PreprocessedImages(preprocessed_dataset(plan, [case.name for case in (*training, *validation)]), plan)
        anchors = Anchors.fitted(_edges(training, images), levels_of(plan.target))
        detector, planned = build_detector(
            plan.target, len(data.classes), anchors, seed=recipe.seed, low_precision=recipe.low_precision
        )
        own = described(settings.arm, {**asdict(recipe), "labelled": settings.labelled, "transfer": settings.transfer})
        held_out = [case.name for case in (*validation, *data.test_cases())]
        report = start_arm(own, plan, planned, folder, settings, held_out, settings.transfer)
        if report is not None:
            tell(report.table())

        def tell_epoch(epoch: int, loss: float) -> None:
            tell(f"epoch {epoch + 1} of {recipe.epochs}: loss {loss:.4f}")

        progress = Progress(folder / STATE, [case.name for case in training], settings.transfer, tell_epoch)
        train(detector, plan.target, training, images, recipe, device, progress)
        model = Model(detector, data.classes, anchors, plan)
        result: dict[str, Any] = {"training_cases": len(training)}
        result["validation"] = _predict(model, validation, images, settings.fold, folder / _RECORDS, device)
        if test := data.test_cases():
            files = FileImages(held_out_files(data), plan)
            result["test"] = _predict(model, test, files, None, folder / "test_detections.json", device)
        finish(folder, model, result, own, report, begin)
        return folder


def _edges(cases: Sequence[Case], images: Images) -> np.ndarray:
    """Return the edges ``(boxes, axes)`` of the true boxes in voxels of the network's input."""
    boxes = torch.cat([images[case.name].geometry.to_network(case.boxes) for case in cases if case.boxes]).numpy()
    dims = boxes.shape[1] // 2
    edges: np.ndarray = boxes[:, dims:] - boxes[:, :dims]
    return edges


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
