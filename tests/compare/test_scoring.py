from __future__ import annotations

import math

import pytest

from rasd_nnu.compare.records import LabelCounts
from rasd_nnu.compare.scoring import case_score, label_score, parse_nan_rule
from rasd_nnu.errors import CompareError

BOTH_EMPTY = LabelCounts(0, 0, 0)
ONLY_PREDICTED = LabelCounts(0, 7, 0)
MISSED = LabelCounts(0, 0, 7)
HALF = LabelCounts(2, 2, 2)


def test_reference_rule_never_looks_at_the_prediction_of_an_absent_label() -> None:
    assert math.isnan(label_score(BOTH_EMPTY, "reference"))
    assert math.isnan(label_score(ONLY_PREDICTED, "reference"))
    assert label_score(MISSED, "reference") == 0.0
    assert label_score(HALF, "reference") == 0.5


def test_both_empty_is_1() -> None:
    scores = [label_score(c, "both-empty-is-1") for c in (BOTH_EMPTY, ONLY_PREDICTED, MISSED, HALF)]
    assert scores == [1.0, 0.0, 0.0, 0.5]


def test_case_score_is_the_mean_of_labels_that_count() -> None:
    assert case_score([0.4, math.nan, 0.8]) == pytest.approx(0.6)
    assert math.isnan(case_score([math.nan]))


def test_unknown_rule_lists_the_known_ones() -> None:
    assert parse_nan_rule("reference") == "reference"
    with pytest.raises(CompareError, match="'zero' is unknown; expected one of: reference, both-empty-is-1"):
        parse_nan_rule("zero")
