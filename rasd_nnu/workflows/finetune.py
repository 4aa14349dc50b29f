"""`rasd_nnu finetune` of a classification data set: one arm, one fold, one seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from rasd_nnu.nnunet.env import nnunet_folder
from rasd_nnu.nnunet.results import SUMMARY
from rasd_nnu.records.classification import ClassificationCase, Predictions, write_predictions
from rasd_nnu.tasks.classification.data import Case, Images, Questions, kind_of, read_data, with_classes
from rasd_nnu.tasks.classification.model import FileImages, Model
from rasd_nnu.tasks.classification.network import build_classifier
from rasd_nnu.tasks.classification.scores import best_threshold, scores
from rasd_nnu.tasks.classification.stand_in import write_stand_ins
from rasd_nnu.tasks.classification.train import ClassificationRecipe, probabilities, train
from rasd_nnu.tasks.data import draw_labelled
from rasd_nnu.tasks.loop import Progress
from rasd_nnu.tasks.stored import Plan
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

#: Share of the patients that thresholds are fixed on, where there are at least `_ENOUGH` cases; else they are 0.5.
_INNER, _ENOUGH = 0.2, 50
_RECORDS = SUMMARY.with_name("predictions.csv")  # beside nnU-Net's, so that `compare` finds both alike


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings(ArmSettings):
    """What to train.

    Args:
        recipe: How.
    """

    recipe: ClassificationRecipe = ClassificationRecipe()  # noqa: RUF009  (frozen)

    @property
    def name(self) -> str:
        """Name of the arm's folder."""
        return self.name_of("Classifier", self.recipe, series=self.recipe.series)


def finetune_classifier(
    dataset: str,
    configuration: str,
    plans: str,
    settings: FinetuneSettings,
    *,
    tell: Callable[[str], None] = lambda _: None,
    track: Callable[[Iterable[str]], Iterable[str]] = lambda cases: cases,
) -> Path:
    """Train an arm and predict; return its folder.

    Args:
        dataset: Full name of a raw data set of classification.
        configuration: Planned configuration.
        plans: Plans name.
        settings: What to train.
        tell: Is told how it goes.
        track: Shows the progress of preparing.

    Returns:
        The folder with ``validation/predictions.csv`` (the fold's validation cases), ``test_predictions.csv``
        (held-out cases, where there are any), ``scores.json``, ``model.pth``, ``training_curve.csv``,
        ``transfer_report.json`` and ``run_report.json``.

    Raises:
        UserError: If data, plans or weights are missing or do not fit.
    """
    begin, recipe = time.perf_counter(), settings.recipe
    raw, device = nnunet_folder("nnUNet_raw") / dataset, torch.device(settings.device)
    data = read_data(raw)
    training, validation = data.fold(settings.fold)
    training = draw_labelled(training, settings.labelled, recipe.seed, kind_of)
    write_stand_ins(raw, track)
    plan = Plan.of(dataset, plans, configuration)
    with arm_folder(settings, settings.name, dataset, plans, configuration) as (folder, finished):
        if finished:
            return folder

        inner = _inner(training, recipe.seed) if len(training) >= _ENOUGH else []
        fitted = [case for case in training if case not in inner]
        if not data.questions.multilabel:  # of several findings few cases need not have all
            with_classes(fitted, data.questions, f"{len(fitted)} labelled cases", dataset)
        outputs = len(data.questions.outputs)
        network, planned = build_classifier(plan.target, outputs, recipe.dropout, recipe.seed, recipe.series)
        held_out = [case.name for case in (*validation, *data.test_cases())]
        own = described(settings.arm, {**asdict(recipe), "labelled": settings.labelled})
        names = sorted({case.name for case in (*training, *validation)})
        images = Images(preprocessed_dataset(plan, names), names, plan.target.patch_size)
        report = start_arm(own, plan, planned, folder, settings, held_out, "encoder")

        def tell_epoch(epoch: int, loss: float) -> None:
            tell(f"epoch {epoch + 1} of {recipe.epochs}: loss {loss:.4f}")

        progress = Progress(folder / STATE, [case.name for case in fitted], tell=tell_epoch)
        train(network, fitted, images, data.questions, recipe, device, progress)
        model = Model(network, data.questions, _thresholds(network, inner, images, data.questions, device), plan)
        result = {"thresholds": model.thresholds, "training_cases": len(fitted), "threshold_cases": len(inner)}
        result["validation"] = _predict(model, validation, images, settings.fold, folder / _RECORDS, device)
        if test := data.test_cases():
            files = FileImages(held_out_files(data), model)
            result["test"] = _predict(model, test, files, None, folder / "test_predictions.csv", device)
        finish(folder, model, result, own, report, begin)
        return folder


def _inner(cases: Sequence[Case], seed: int) -> list[Case]:
    """Return the cases of a share of the patients, which thresholds are fixed on."""
    names = sorted({case.group for case in cases})
    order = np.random.default_rng([seed, 6]).permutation(len(names))
    held = {names[i] for i in order[: round(_INNER * len(names))]}
    return [case for case in cases if case.group in held]


def _thresholds(
    network: torch.nn.Module, cases: Sequence[Case], images: Images, questions: Questions, device: torch.device
) -> dict[str, float]:
    """Fix the threshold of each output on cases that were not trained on."""
    if not cases or (not questions.multilabel and len(questions.outputs) > 2):
        return dict.fromkeys(questions.outputs, 0.5)
    found = probabilities(network, [case.name for case in cases], images, questions, device)
    thresholds = {}
    for column, name in enumerate(questions.outputs):
        answers = np.array([_answer(case, questions, column) for case in cases], float)
        known = ~np.isnan(answers)
        thresholds[name] = best_threshold(answers[known], found[known, column])
    return thresholds


def _answer(case: Case, questions: Questions, column: int) -> float:
    if not questions.multilabel:
        return float(case.truth[0] == column)
    return float("nan") if case.truth[column] < 0 else float(case.truth[column])


def _predict(
    model: Model, cases: Sequence[Case], images: Images, fold: int | None, out: Path, device: torch.device
) -> dict[str, float | None]:
    """Write the records of ``cases`` and return their scores."""
    questions = model.questions
    found = probabilities(model.network, [case.name for case in cases], images, questions, device)
    rows = []
    for case, row in zip(cases, found, strict=True):
        answers = [_answer(case, questions, column) for column in range(len(questions.outputs))]
        labels: dict[str, Literal[0, 1] | None] = {
            name: None if np.isnan(answer) else (1 if answer else 0)
            for name, answer in zip(questions.outputs, answers, strict=True)
        }
        values = dict(zip(questions.outputs, map(float, row), strict=True))
        rows.append(
            ClassificationCase(case=case.name, group=case.group, fold=fold, labels=labels, probabilities=values)
        )
    predictions = Predictions(questions.outputs, questions.multilabel, tuple(rows))
    write_predictions(out, predictions)
    return scores(predictions, model.thresholds)
