"""One short training by the trainer itself, and the Dice of the cases that it was not trained on."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rasd_nnu import trainers
from rasd_nnu.nnunet.trainer_names import TrainerName
from rasd_nnu.pretrain.synthesis.renew import RenewConfig
from rasd_nnu.workflows.choose.inner import InnerFold

#: A training is cut into so many epochs, each of which validates one batch.
EPOCHS = 2


@dataclass(frozen=True)
class Candidate:
    """An arm that may be chosen.

    Args:
        name: What it is called in the table.
        arm: ``scratch`` or ``rasd``.
        mix: How new appearances are mixed in, or None.
    """

    name: str
    arm: str
    mix: RenewConfig | None = None


@dataclass(frozen=True)
class Plan:
    """A planned configuration with what constructing a trainer takes."""

    plans: Mapping[str, Any]
    dataset_json: Mapping[str, Any]
    configuration: str
    fold: int | str
    device: str

    def trainer(self, name: TrainerName) -> Any:
        """Construct the trainer of this name as nnU-Net does."""
        plans = copy.deepcopy(dict(self.plans)) | {"continue_training": False}
        kind = trainers.trainer_class(name)
        return kind(plans, self.configuration, self.fold, dict(self.dataset_json), torch.device(self.device))  # type: ignore[arg-type]


def training_cases(plan: Plan) -> list[str]:
    """Return the training cases of the fold, as nnU-Net splits."""
    with _own_results():
        cases, _ = plan.trainer(TrainerName(arm="scratch")).do_split()
    return list(cases)


def labels_in(plan: Plan, cases: list[str]) -> set[int]:
    """Return the label values that preprocessed cases have."""
    with _own_results():
        trainer = plan.trainer(TrainerName(arm="scratch"))
        trainer.do_split()  # which tells nnU-Net's kind of data set
    dataset = trainer.dataset_class(trainer.preprocessed_dataset_folder, cases)
    return {int(value) for case in cases for value in np.unique(np.asarray(dataset.load_case(case)[1][:]))}


def screen(plan: Plan, candidate: Candidate, fold: InnerFold, iterations: int, seed: int) -> dict[str, Any]:
    """Train a candidate on an inner fold and score the cases that are left out.

    Args:
        plan: The planned configuration.
        candidate: The arm.
        fold: The inner fold.
        iterations: Length of the training.
        seed: Of weights and batches; the same for all candidates.

    Returns:
        ``dice`` (case -> mean Dice over the classes that it has), ``seconds`` of the training and of scoring.
    """
    name = TrainerName(candidate.arm, EPOCHS, max(1, iterations // EPOCHS), seed, mix=candidate.mix is not None)
    begin = time.perf_counter()
    with _own_results(), _mixing(candidate.mix):
        trainer = plan.trainer(name)
        trainer.do_split = lambda: (list(fold.train), list(fold.test))
        trainer.disable_checkpointing = True
        trainer.may_have_seen_cases = False  # those of the inner test are training cases of the outer fold
        trainer.num_val_iterations_per_epoch = 1
        trainer.run_training()
        trained = time.perf_counter()
        dice = _scores(trainer, fold.test)
    return {"dice": dice, "seconds": [round(trained - begin, 2), round(time.perf_counter() - trained, 2)]}


@contextlib.contextmanager
def _own_results() -> Iterator[None]:
    """Let trainers write their logs into a folder that is removed, and print nothing."""
    before = os.environ.get("nnUNet_results")  # noqa: SIM112  (nnU-Net's own spelling)
    with tempfile.TemporaryDirectory(prefix="rasd_choose_") as folder, Path(os.devnull).open("w") as nowhere:
        os.environ["nnUNet_results"] = folder  # noqa: SIM112
        try:
            with contextlib.redirect_stdout(nowhere):
                yield
        finally:
            if before is None:
                del os.environ["nnUNet_results"]  # noqa: SIM112
            else:
                os.environ["nnUNet_results"] = before  # noqa: SIM112


@contextlib.contextmanager
def _mixing(mix: RenewConfig | None) -> Iterator[None]:
    """Set ``RASD_MIX`` for the trainer that is constructed inside."""
    before = os.environ.pop("RASD_MIX", None)
    if mix is not None:
        os.environ["RASD_MIX"] = json.dumps(mix.model_dump(mode="json", exclude_unset=True) | {"kind": mix.kind})
    try:
        yield
    finally:
        os.environ.pop("RASD_MIX", None)
        if before is not None:
            os.environ["RASD_MIX"] = before


def _scores(trainer: Any, cases: tuple[str, ...]) -> dict[str, float]:
    """Predict preprocessed cases as nnU-Net's validation does, without mirroring, and return case -> mean Dice."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    trainer.set_deep_supervision_enabled(False)
    trainer.network.eval()
    predictor = nnUNetPredictor(use_mirroring=False, device=trainer.device, allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        None,
        trainer.dataset_json,
        type(trainer).__name__,
        None,
    )
    dataset = trainer.dataset_class(trainer.preprocessed_dataset_folder, list(cases))
    scores = {}
    for case in cases:
        data, reference, _, _ = dataset.load_case(case)
        logits = predictor.predict_sliding_window_return_logits(torch.from_numpy(np.array(data[:]))).cpu()
        found = np.asarray(trainer.label_manager.convert_logits_to_segmentation(logits))
        scores[case] = mean_dice(found, np.asarray(reference[:])[0], trainer.label_manager)
    return scores


def mean_dice(found: np.ndarray, reference: np.ndarray, labels: Any) -> float:
    """Return the mean Dice over the classes, or regions, that the reference has; NaN if it has none.

    Args:
        found: ``(*S)`` predicted labels.
        reference: ``(*S)`` labels.
        labels: nnU-Net's label manager.
    """
    from nnunetv2.evaluation.evaluate_predictions import region_or_label_to_mask

    counted = reference != labels.ignore_label if labels.has_ignore_label else np.ones(reference.shape, bool)
    values = []
    for target in labels.foreground_regions if labels.has_regions else labels.foreground_labels:
        a, b = (region_or_label_to_mask(x, target) & counted for x in (found, reference))
        if b.any():
            values.append(2 * float((a & b).sum()) / float(a.sum() + b.sum()))
    return float(np.mean(values)) if values else float("nan")
