"""`rasd_nnu finetune` of a classification data set: one arm, one fold, one seed."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from rasd_nnu.errors import ConfigError, DatasetError
from rasd_nnu.files import write_text
from rasd_nnu.nnunet.env import nnunet_folder
from rasd_nnu.nnunet.plans import NetworkTarget, read_plans, target_from_plans
from rasd_nnu.nnunet.results import MODEL, SUMMARY
from rasd_nnu.nnunet.trainer_names import TrainerName, parse_name
from rasd_nnu.records.classification import ClassificationCase, Predictions, write_predictions
from rasd_nnu.tasks.classification.data import Case, Images, Questions, read_data
from rasd_nnu.tasks.classification.model import FileImages, Model
from rasd_nnu.tasks.classification.network import build_classifier
from rasd_nnu.tasks.classification.scores import best_threshold, scores
from rasd_nnu.tasks.classification.stand_in import write_stand_ins
from rasd_nnu.tasks.classification.train import ClassificationRecipe, probabilities, train
from rasd_nnu.workflows.arm_start import described, held_out_files, preprocessed_dataset, start_arm

#: Share of the patients that thresholds are fixed on, where there are at least `_ENOUGH` cases; else they are 0.5.
_INNER, _ENOUGH = 0.2, 50
_RECORDS = SUMMARY.with_name("predictions.csv")  # beside nnU-Net's, so that `compare` finds both alike


@dataclass(frozen=True)
class FinetuneSettings:
    """What to train.

    Args:
        arm: ``rasd``, ``scratch`` or a registered one.
        fold: Fold of ``splits_final.json``.
        labelled: Labelled cases, drawn by patient and nested (the first 20 are among the first 100); None for all.
        recipe: How.
        device: ``cpu`` or ``cuda``.
        overwrite: Replace an earlier training.
        resume: Leave a finished training as it is, instead of refusing it.
    """

    arm: str = "rasd"
    fold: int = 0
    labelled: int | None = None
    recipe: ClassificationRecipe = ClassificationRecipe()  # noqa: RUF009  (frozen)
    device: str = "cpu"
    overwrite: bool = False
    resume: bool = False

    @property
    def name(self) -> str:
        """Name of the arm's folder."""
        recipe = self.recipe
        name = TrainerName(
            self.arm,
            recipe.epochs,
            seed=recipe.seed,
            kind="Classifier",
            labelled=self.labelled,
            series=recipe.series,
        )
        if parse_name(str(name)) != name:
            raise ConfigError(f"unknown arm {self.arm!r}, expected rasd, scratch or the name of a registered one.")
        return str(name)


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
        (held-out cases, where there are any), ``scores.json``, ``model.pth``, ``transfer_report.json`` and
        ``run_report.json``.

    Raises:
        UserError: If data, plans or weights are missing or do not fit.
    """
    begin = time.perf_counter()
    raw = nnunet_folder("nnUNet_raw") / dataset
    data = read_data(raw)
    if not 0 <= settings.fold < len(data.folds):
        raise ConfigError(f"there is no fold {settings.fold}, expected 0 to {len(data.folds) - 1}.")
    write_stand_ins(raw, track)
    content, dataset_json = read_plans(dataset, plans)
    target = target_from_plans(content, dataset_json, configuration)
    folder = nnunet_folder("nnUNet_results") / dataset / f"{settings.name}__{plans}__{configuration}"
    folder /= f"fold_{settings.fold}"
    if (folder / MODEL).is_file() and settings.resume:
        return folder
    if (folder / MODEL).is_file():
        if not settings.overwrite:
            raise ConfigError(f"{folder} holds a finished training. Give --overwrite, or another --seed.")
        shutil.rmtree(folder)
    (folder / _RECORDS).parent.mkdir(parents=True, exist_ok=True)

    training = _labelled(data.by_name(data.folds[settings.fold][0]), settings.labelled, settings.recipe.seed)
    validation = data.by_name(data.folds[settings.fold][1])
    inner = _inner(training, settings.recipe.seed) if len(training) >= _ENOUGH else []
    fitted = [case for case in training if case not in inner]
    recipe = settings.recipe
    network, planned = build_classifier(target, len(data.questions.outputs), recipe.dropout, recipe.seed, recipe.series)
    held_out = [case.name for case in (*validation, *data.test_cases())]
    own = described(settings.arm, {**asdict(recipe), "labelled": settings.labelled})
    report = start_arm(own, target, content, planned, folder, settings.fold, held_out, "encoder")
    images = _images(target, content, configuration, [*training, *validation])
    device = torch.device(settings.device)
    train(
        network,
        fitted,
        images,
        data.questions,
        settings.recipe,
        device,
        folder / "state.pth",
        lambda epoch, loss: tell(f"epoch {epoch + 1} of {settings.recipe.epochs}: loss {loss:.4f}"),
    )
    thresholds = _thresholds(network, inner, images, data.questions, device)
    model = Model(network, data.questions, thresholds, content, dataset_json, configuration)
    result = {"thresholds": thresholds, "training_cases": len(fitted), "threshold_cases": len(inner)}
    result["validation"] = _predict(model, validation, images, settings.fold, folder / _RECORDS, device)
    if test := data.test_cases():
        files = FileImages(held_out_files(raw, dataset_json["file_ending"], [case.name for case in test]), model)
        result["test"] = _predict(model, test, files, None, folder / "test_predictions.csv", device)
    write_text(folder / "scores.json", json.dumps(result, indent=2) + "\n")
    run = {
        **own,
        "seconds": round(time.perf_counter() - begin, 1),
        "transferred": report and report.to_dict()["shares"],
    }
    write_text(folder / "run_report.json", json.dumps(run, indent=2) + "\n")
    model.save(folder)  # last, as it says that the training is finished
    (folder / "state.pth").unlink()
    return folder


def _labelled(cases: list[Case], count: int | None, seed: int) -> list[Case]:
    """Draw ``count`` cases patient by patient, the classes in turn, so that few cases hold all classes.

    Raises:
        DatasetError: If there are fewer.
    """
    if count is None:
        return cases
    if count > len(cases):
        raise DatasetError(f"{count} labelled cases are asked for, but the fold has {len(cases)} to train on.")
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    names = sorted(groups)
    queues: dict[tuple[int, ...], list[str]] = {}
    for index in np.random.default_rng([seed, 5]).permutation(len(names)):
        queues.setdefault(groups[names[index]][0].truth, []).append(names[index])
    chosen: list[Case] = []
    while len(chosen) < count:
        for kind in sorted(queues):
            if queues[kind]:
                chosen += groups[queues[kind].pop(0)]
    return chosen[:count]


def _inner(cases: Sequence[Case], seed: int) -> list[Case]:
    """Return the cases of a share of the patients, which thresholds are fixed on."""
    names = sorted({case.group for case in cases})
    order = np.random.default_rng([seed, 6]).permutation(len(names))
    held = {names[i] for i in order[: round(_INNER * len(names))]}
    return [case for case in cases if case.group in held]


def _images(target: NetworkTarget, plans: dict[str, Any], configuration: str, cases: Sequence[Case]) -> Images:
    names = sorted({case.name for case in cases})
    return Images(preprocessed_dataset(target, plans, configuration, names), names, target.patch_size)


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
