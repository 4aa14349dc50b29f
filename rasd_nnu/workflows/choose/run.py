"""`rasd_nnu choose`: the time budget, the trainings, the records, the choice."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasd_nnu.checkpoints.registry import checkpoint_for
from rasd_nnu.errors import CheckpointError, ConfigError, DatasetError, PlansError, did_you_mean
from rasd_nnu.files import write_text
from rasd_nnu.locks import exclusive
from rasd_nnu.nnunet.commands import shown, train
from rasd_nnu.nnunet.datasets import patients_of
from rasd_nnu.nnunet.env import nnunet_folder
from rasd_nnu.nnunet.plans import NetworkTarget, read_plans, target_from_plans
from rasd_nnu.nnunet.splits import read_splits
from rasd_nnu.nnunet.trainer_names import TrainerName
from rasd_nnu.pretrain.synthesis.renew import RenewConfig
from rasd_nnu.reading import read_json_object
from rasd_nnu.trainers.choice import ArmChoice, choice_path, write_choice
from rasd_nnu.workflows.choose.decide import BASELINE, ArmScore, decide, score_arms
from rasd_nnu.workflows.choose.inner import InnerFold, inner_folds
from rasd_nnu.workflows.choose.screen import EPOCHS, Candidate, Plan, labels_in, screen, training_cases

#: New appearances by region and of the whole image (stronger kinds cost more than they give), the start, both.
CANDIDATES = {
    c.name: c
    for c in (
        Candidate(BASELINE, "scratch"),
        *(Candidate(kind, "scratch", RenewConfig(kind=kind)) for kind in ("shift", "convolution")),
        Candidate("start", "rasd"),
        Candidate("start+shift", "rasd", RenewConfig(kind="shift")),
    )
}

#: Iterations that the length of an iteration is measured on, and the shortest training that tells anything.
_TRIAL, _SHORTEST = 10, 50
#: Share of the budget that is planned with.
_PLANNED = 0.9


@dataclass(frozen=True)
class ChooseSettings:
    """What to choose between and how long.

    Args:
        budget_s: Seconds for everything.
        arms: Names of `CANDIDATES`; None for all that can be run. Scratch is always among them.
        folds: Inner folds; at most one a patient.
        seeds: Trainings of each arm on each inner fold.
        iterations: Length of each training; None for what fits into the budget.
        device: ``cpu`` or ``cuda``.
    """

    budget_s: float = 1200.0
    arms: tuple[str, ...] | None = None
    folds: int = 3
    seeds: int = 1
    iterations: int | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Chosen:
    """The outcome.

    Args:
        path: File of the choice.
        choice: What is in it.
        arms: Scores of all arms, the best first.
        commands: What to run next.
        notes: What could not be tried, and why.
    """

    path: Path
    choice: ArmChoice
    arms: tuple[ArmScore, ...]
    commands: tuple[str, ...]
    notes: tuple[str, ...]


def choose(
    dataset: str,
    configuration: str,
    *,
    plans: str,
    fold: int,
    settings: ChooseSettings,
    tell: Callable[[str], None] = lambda _: None,
) -> Chosen:
    """Choose an arm for a fold of a planned data set from its training cases alone.

    Stopped or killed, the same call goes on: every training's scores are kept beside the choice.

    Args:
        dataset: Id or full name.
        configuration: Planned configuration.
        plans: Plans name.
        fold: Fold whose training cases are used; its validation cases are never looked at.
        settings: What to choose between and how long.
        tell: Is told how it goes.

    Raises:
        UserError: If data or plans are missing, there is too little to choose on, or another process is choosing.
    """
    content, dataset_json = read_plans(dataset, plans)
    target = target_from_plans(content, dataset_json, configuration)
    plan = Plan(content, dataset_json, configuration, fold, settings.device)
    with exclusive(choice_path(target, fold)):
        return _choose(plan, target, fold, settings, tell)


def _choose(
    plan: Plan, target: NetworkTarget, fold: int, settings: ChooseSettings, tell: Callable[[str], None]
) -> Chosen:
    cases = _cases(plan, target)
    patients = patients_of(str(target.dataset), cases)
    folds = inner_folds(patients, cases, settings.folds)
    candidates, notes = _candidates(settings.arms, target, dict(plan.plans))
    notes += _missing_labels(plan, cases)
    records = _Records(choice_path(target, fold).with_suffix(".records.json"))
    count = len(candidates) * len(folds) * settings.seeds
    iterations = settings.iterations or _affordable(plan, folds[0], count, settings, tell)
    tell(f"{count} trainings of {iterations} iterations: {len(candidates)} arms, {len(folds)} inner folds by patient")
    scores: dict[str, list[dict[str, float]]] = {c.name: [] for c in candidates}
    for seed in range(settings.seeds):
        for number, inner in enumerate(folds):
            for candidate in candidates:
                key = _key(candidate, inner, iterations, seed)
                done = records.get(key) or records.put(key, screen(plan, candidate, inner, iterations, seed))
                dice = {case: math.nan if value is None else value for case, value in done["dice"].items()}
                scores[candidate.name].append(dice)
                known = [value for value in dice.values() if not math.isnan(value)]
                shown_dice = f"{sum(known) / len(known):.3f}" if known else "no label"
                tell(f"seed {seed}, inner fold {number}, {candidate.name}: Dice {shown_dice}")
    arms = score_arms(scores, patients)
    name, reason = decide(arms)
    chosen = CANDIDATES[name]
    evidence = {
        "arms": [arm.to_dict() for arm in arms],
        "iterations": iterations,
        "inner_folds": len(folds),
        "seeds": settings.seeds,
        "patients": len({patients[case] for case in cases}),
        "notes": notes,
    }
    choice = ArmChoice(arm=chosen.arm, mix=chosen.mix, reason=reason, evidence=evidence)  # type: ignore[arg-type]
    path = write_choice(choice, target, fold)
    commands = _commands(target, fold, chosen)
    return Chosen(path, choice, tuple(arms), commands, tuple(notes))


def _cases(plan: Plan, target: NetworkTarget) -> list[str]:
    folder = nnunet_folder("nnUNet_preprocessed") / str(target.dataset)
    data = folder / plan.plans["configurations"][plan.configuration].get(
        "data_identifier", f"{target.plans}_{plan.configuration}"
    )
    splits = folder / "splits_final.json"
    known = len(read_splits(splits)) if splits.is_file() else 5
    if not 0 <= int(plan.fold) < known:
        raise ConfigError(f"there is no fold {plan.fold}, expected 0 to {known - 1}.")
    try:
        cases = training_cases(plan)
    except (AssertionError, FileNotFoundError, RuntimeError) as error:
        raise PlansError(
            f"cannot find the preprocessed cases of {target.dataset} ({error or data}). Preprocess them with nnU-Net."
        ) from None
    if not cases:
        raise DatasetError(f"fold {plan.fold} of {target.dataset} has no training cases. Check splits_final.json.")
    return cases


def _missing_labels(plan: Plan, cases: list[str]) -> list[str]:
    """Return a note for each label that no training case has.

    Raises:
        DatasetError: If they have none at all.
    """
    found = labels_in(plan, cases)
    names = {name: value for name, value in plan.dataset_json["labels"].items() if name not in ("background", "ignore")}
    there = [name for name, value in names.items() if found & set(value if isinstance(value, list) else [value])]
    if not there:
        raise DatasetError(
            f"the {len(cases)} training cases of fold {plan.fold} have no label but background. Check the labels."
        )
    return [f"no training case has the label {name!r}: no arm can learn it" for name in names if name not in there]


def _candidates(
    asked: Sequence[str] | None, target: NetworkTarget, plans: dict[str, Any]
) -> tuple[list[Candidate], list[str]]:
    """Return the arms that can be run, scratch first, and why others cannot."""
    for name in asked or ():
        if name not in CANDIDATES:
            raise ConfigError(
                f"unknown arm {name!r}, expected {', '.join(CANDIDATES)}.{did_you_mean(name, CANDIDATES)}"
            )
    wanted = [c for c in CANDIDATES.values() if asked is None or c.name in asked or c.name == BASELINE]
    if all(c.arm == "scratch" for c in wanted):
        return wanted, []
    try:
        checkpoint_for(target, plans)
    except CheckpointError as error:
        if asked is not None:
            raise
        return [c for c in wanted if c.arm == "scratch"], [f"no start was tried: {error}"]
    return wanted, []


def _affordable(plan: Plan, fold: InnerFold, count: int, settings: ChooseSettings, tell: Callable[[str], None]) -> int:
    """Return the iterations a training that fit into the budget, from a measured one.

    Raises:
        ConfigError: If they are too few to tell anything.
    """
    trials = [screen(plan, CANDIDATES[BASELINE], fold, n, 0)["seconds"] for n in (_TRIAL, 3 * _TRIAL)]
    step = max(1e-3, (trials[1][0] - trials[0][0]) / (2 * _TRIAL))
    fixed = max(0.0, trials[0][0] - step * _TRIAL) + trials[1][1]
    spent = sum(sum(t) for t in trials)
    left = settings.budget_s * _PLANNED - spent
    iterations = int((left / count - fixed) / step) // EPOCHS * EPOCHS
    tell(f"an iteration takes {step:.3f} s, scoring and the rest of a training {fixed:.1f} s")
    if iterations < _SHORTEST:
        needed = (spent + count * (fixed + _SHORTEST * step)) / _PLANNED
        raise ConfigError(
            f"the budget of {settings.budget_s:.0f} s allows {max(0, iterations)} iterations for each of {count} "
            f"trainings, expected {_SHORTEST} or more. Give {math.ceil(needed / 60)} minutes, fewer --arms or --folds."
        )
    return iterations


class _Records:
    """Scores of trainings that were done, by what decides them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: dict[str, Any] = read_json_object(path) if path.is_file() else {}

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what was kept, or None."""
        found = self._content.get(key)
        return found if isinstance(found, dict) and isinstance(found.get("dice"), dict) else None

    def put(self, key: str, record: dict[str, Any]) -> dict[str, Any]:
        """Keep and return a record; NaN, which JSON has not, becomes None."""
        dice = {case: None if math.isnan(value) else value for case, value in record["dice"].items()}
        self._content[key] = record | {"dice": dice}
        write_text(self._path, json.dumps(self._content, indent=1))
        kept: dict[str, Any] = self._content[key]
        return kept


def _key(candidate: Candidate, fold: InnerFold, iterations: int, seed: int) -> str:
    mix = candidate.mix.model_dump(mode="json") if candidate.mix else None
    recipe = {k: v for k, v in sorted(os.environ.items()) if k.startswith("RASD_") and k != "RASD_MIX"}
    return json.dumps([candidate.arm, mix, fold.train, fold.test, iterations, seed, recipe])


def _commands(target: NetworkTarget, fold: int, chosen: Candidate) -> tuple[str, ...]:
    dataset, configuration, plans = str(target.dataset), str(target.configuration), str(target.plans)
    name = TrainerName(chosen.arm, mix=chosen.mix is not None)
    environment = {"RASD_MIX": chosen.mix.kind} if chosen.mix else {}
    lines = [shown(train(dataset, configuration, fold, plans=plans, trainer="RaSDTrainer_auto"))]
    if name != TrainerName("scratch"):
        lines.append(shown(train(dataset, configuration, fold, plans=plans, trainer="RaSDTrainer_scratch")))
    return (
        *lines,
        f"# the first is: {shown(train(dataset, configuration, fold, plans=plans, trainer=str(name)), environment)}",
    )
