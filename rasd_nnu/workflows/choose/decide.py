"""The decision: which arm the scores on inner folds speak for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rasd_nnu.stats import mean_test

BASELINE = "scratch"

#: An arm has to be ahead of scratch by so many standard errors of the patients' mean difference. One standard error
#: is exceeded by chance in about one of six choices; scratch is what is left then, so that doubt costs nothing.
REQUIRED_STANDARD_ERRORS = 1.0


@dataclass(frozen=True)
class ArmScore:
    """How an arm did on the inner folds.

    Args:
        name: The arm.
        dice: Mean over patients.
        gain: Mean paired difference to scratch over patients; 0 for scratch itself.
        error: Standard error of the gain; NaN where it cannot be told.
        p: Of the gain (`rasd_nnu.stats.mean_test`), None for scratch.
        patients: Number of patients.
    """

    name: str
    dice: float
    gain: float
    error: float
    p: float | None
    patients: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; what cannot be told is None."""
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in asdict(self).items()}


def score_arms(scores: Mapping[str, Sequence[Mapping[str, float]]], patients: Mapping[str, str]) -> list[ArmScore]:
    """Compare all arms with scratch, patient by patient.

    Args:
        scores: Arm -> one mapping of case -> Dice a training; the arms' trainings correspond in order. Cases without
            any class (NaN) count in no arm.
        patients: Case -> patient.

    Returns:
        The arms, the best first.
    """
    means = {arm: _by_patient(own, patients) for arm, own in scores.items()}
    baseline = means[BASELINE]
    names = sorted(baseline)
    result = []
    for arm, own in means.items():
        dice = float(np.mean([own[n] for n in names]))
        differences = [own[n] - baseline[n] for n in names]
        if arm == BASELINE:
            result.append(ArmScore(arm, dice, 0.0, 0.0, None, len(names)))
            continue
        error = float(np.std(differences, ddof=1) / math.sqrt(len(names))) if len(names) > 1 else math.nan
        p = float(mean_test(differences).p) if len(names) > 1 else None
        result.append(ArmScore(arm, dice, float(np.mean(differences)), error, p, len(names)))
    return sorted(result, key=lambda score: -score.dice)


def _by_patient(trainings: Sequence[Mapping[str, float]], patients: Mapping[str, str]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for training in trainings:
        for case, dice in training.items():
            if not math.isnan(dice):
                values.setdefault(patients[case], []).append(dice)
    return {patient: float(np.mean(own)) for patient, own in values.items()}


def decide(arms: Sequence[ArmScore]) -> tuple[str, str]:
    """Return the chosen arm and the reason, in a sentence.

    The best arm is chosen if it is ahead of scratch by `REQUIRED_STANDARD_ERRORS`; otherwise scratch is.
    """
    best = max(arms, key=lambda arm: arm.gain)
    if best.name == BASELINE or best.gain <= 0:
        return BASELINE, "no arm was ahead of scratch on the inner folds: use scratch."
    told = f"{best.name} was ahead of scratch by {100 * best.gain:.1f} Dice points on {best.patients} patients"
    if math.isnan(best.error) or best.gain < REQUIRED_STANDARD_ERRORS * best.error:
        return BASELINE, f"no difference that could be seen ({told}, within its standard error): use scratch."
    return best.name, f"{told} (standard error {100 * best.error:.1f})."
