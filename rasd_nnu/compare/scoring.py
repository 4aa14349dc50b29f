"""From counts to one Dice a label and one a case; what an absent label counts is decided here alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, cast, get_args

import numpy as np

from rasd_nnu.compare.records import CaseRecord, LabelCounts
from rasd_nnu.errors import CompareError

NanRule = Literal["reference", "both-empty-is-1"]

DESCRIPTIONS: dict[str, str] = {
    "reference": "a label absent from the reference is left out of both arms; what is predicted there is counted apart",
    "both-empty-is-1": "a label absent from reference and prediction scores 1, absent from the reference only 0",
}


def parse_nan_rule(rule: str) -> NanRule:
    """Return ``rule`` if it is one of `NanRule`.

    Raises:
        CompareError: If it is not.
    """
    for known in get_args(NanRule):
        if rule == known:
            return cast(NanRule, known)
    raise CompareError(f"NaN rule {rule!r} is unknown; expected one of: {', '.join(get_args(NanRule))}")


def label_score(counts: LabelCounts, rule: NanRule) -> float:
    """Return the Dice of one label in one case under the rule; NaN where the rule leaves the label out.

    The reference decides whether a label is left out, never the prediction: nnU-Net's own mean drops a label
    where both are empty, so that a false positive in one arm would make the arms' cases differ.
    """
    if rule == "reference" and counts.in_reference == 0:
        return math.nan
    dice = counts.dice
    return 1.0 if math.isnan(dice) else dice


def label_scores(record: CaseRecord, rule: NanRule) -> dict[str, float]:
    """Return label -> Dice of one case; NaN where the rule leaves the label out."""
    return {label: label_score(counts, rule) for label, counts in record.items()}


def case_score(scores: Iterable[float]) -> float:
    """Return the mean over the labels that count; NaN if none does."""
    present = [s for s in scores if not math.isnan(s)]
    return float(np.mean(present)) if present else math.nan
