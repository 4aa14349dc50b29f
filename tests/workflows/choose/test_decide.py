from __future__ import annotations

import math

import pytest

from rasd_nnu.errors import DatasetError
from rasd_nnu.workflows.choose.decide import decide, score_arms
from rasd_nnu.workflows.choose.inner import inner_folds

PATIENTS = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}


def _scores(**gains: float) -> dict[str, list[dict[str, float]]]:
    baseline = {"a1": 0.5, "a2": 0.7, "b1": 0.4, "c1": 0.8}
    spread = {"a1": 0.01, "a2": -0.01, "b1": 0.01, "c1": -0.01}
    return {"scratch": [baseline]} | {
        name: [{case: value + gain + spread[case] for case, value in baseline.items()}] for name, gain in gains.items()
    }


def test_gains_are_means_over_patients_not_cases() -> None:
    scores = {"scratch": [{"a1": 0.5, "a2": 0.7, "b1": 0.4}], "curve": [{"a1": 0.6, "a2": 0.8, "b1": 0.4}]}
    best, baseline = score_arms(scores, PATIENTS)
    assert (best.name, baseline.name) == ("curve", "scratch")
    assert best.gain == pytest.approx((0.1 + 0.0) / 2)
    assert baseline.dice == pytest.approx((0.6 + 0.4) / 2)
    assert best.patients == 2


def test_a_case_without_a_label_counts_in_no_arm() -> None:
    scores = {"scratch": [{"a1": 0.5, "b1": math.nan}], "curve": [{"a1": 0.6, "b1": math.nan}]}
    best = score_arms(scores, PATIENTS)[0]
    assert (best.patients, best.p) == (1, None)
    assert decide([best, best])[0] == "scratch"  # one patient has no standard error


def test_the_best_arm_is_chosen_if_it_is_clearly_ahead() -> None:
    name, reason = decide(score_arms(_scores(curve=0.05, shift=0.1), PATIENTS))
    assert name == "shift"
    assert reason.startswith("shift was ahead of scratch by 10.0 Dice points on 3 patients")


@pytest.mark.parametrize(("gain", "said"), [(-0.1, "no arm was ahead"), (0.001, "no difference that could be seen")])
def test_doubt_means_scratch(gain: float, said: str) -> None:
    name, reason = decide(score_arms(_scores(curve=gain), PATIENTS))
    assert name == "scratch"
    assert said in reason
    assert reason.endswith("use scratch.")


def test_inner_folds_keep_patients_together_and_score_each_case_once() -> None:
    folds = inner_folds(PATIENTS, list(PATIENTS), 2)
    assert sorted(case for fold in folds for case in fold.test) == sorted(PATIENTS)
    for fold in folds:
        assert not {PATIENTS[c] for c in fold.train} & {PATIENTS[c] for c in fold.test}
    assert len(inner_folds(PATIENTS, list(PATIENTS), 9)) == 3


def test_one_patient_is_too_few() -> None:
    with pytest.raises(DatasetError, match="are of 1 patient, expected 2 or more"):
        inner_folds(PATIENTS, ["a1", "a2"], 2)
