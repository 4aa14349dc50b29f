from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from rasd_nnu.compare import compare_summaries
from rasd_nnu.errors import CompareError

Write = Callable[..., Path]
ONLY_PREDICTED = {"TP": 0, "FP": 7, "FN": 0}
SCORES_A = {"c1": 0.81, "c2": 0.72, "c3": 0.93, "c4": 0.64, "c5": 0.75, "c6": 0.86}
SCORES_B = {"c1": 0.80, "c2": 0.70, "c3": 0.90, "c4": 0.60, "c5": 0.70, "c6": 0.80}


def test_known_differences_give_the_known_statistics(write_summary: Write) -> None:
    comparison = compare_summaries(
        write_summary("a.json", SCORES_A), write_summary("b.json", SCORES_B), names=("rasd", "scratch")
    )
    result = comparison.overall
    assert (result.n_cases, result.n_units, result.wins, result.ties, result.losses) == (6, 6, 6, 0, 0)
    assert result.difference == pytest.approx(0.035)
    assert result.mean_a - result.mean_b == pytest.approx(result.difference)
    assert result.signflip.p == result.wilcoxon.p == result.signflip.smallest_p == 2**-5
    assert result.interval.low < 0.035 < result.interval.high
    assert comparison.verdict.startswith("rasd is better than scratch (difference +0.0350")
    assert [row.difference for row in comparison.rows] == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05, 0.06])


def test_swapping_the_arms_turns_better_into_worse(write_summary: Write) -> None:
    comparison = compare_summaries(write_summary("a.json", SCORES_B), write_summary("b.json", SCORES_A))
    assert comparison.overall.difference == pytest.approx(-0.035)
    assert comparison.overall.losses == 6
    assert "A is worse than B" in comparison.verdict


def test_a_label_absent_from_the_reference_is_left_out_of_both_arms(write_summary: Write) -> None:
    a = write_summary(
        "a.json", {"c1": {"1": 0.8, "2": ONLY_PREDICTED}, "c2": {"1": 0.6, "2": 0.4}, "c3": {"1": 0.5, "2": 0.5}}
    )
    b = write_summary("b.json", {"c1": {"1": 0.7, "2": None}, "c2": {"1": 0.6, "2": 0.2}, "c3": {"1": 0.5, "2": 0.5}})
    comparison = compare_summaries(a, b)
    assert [row.difference for row in comparison.rows] == pytest.approx([0.1, 0.1, 0.0])
    assert comparison.labels["2"].n_cases == 2
    (found,) = comparison.false_positives
    assert (found.label, found.n_cases, found.share_a, found.share_b) == ("2", 1, 1.0, 0.0)
    assert (found.voxels_a, found.voxels_b) == (7.0, 0.0)
    (swapped,) = compare_summaries(b, a).false_positives
    assert (swapped.share_a, swapped.share_b) == (0.0, 1.0)
    other = compare_summaries(a, b, nan_rule="both-empty-is-1")
    assert [row.difference for row in other.rows] == pytest.approx([0.4 - 0.85, 0.1, 0.0])
    assert other.labels["2"].n_cases == 3


def test_a_case_without_any_label_does_not_count_but_is_kept(write_summary: Write) -> None:
    a = write_summary("a.json", {"c1": None, "c2": 0.6, "c3": 0.5})
    b = write_summary("b.json", {"c1": {"1": ONLY_PREDICTED}, "c2": 0.5, "c3": 0.5})
    comparison = compare_summaries(a, b)
    assert comparison.overall.n_cases == 2
    assert math.isnan(comparison.rows[0].a)
    assert math.isnan(comparison.rows[0].b)
    rows = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))["rows"]
    assert rows[0]["a"] is rows[0]["difference"] is None
    assert rows[1]["difference"] == pytest.approx(0.1)


def test_p_values_of_labels_are_corrected_by_holm(write_summary: Write) -> None:
    a = {c: {"1": s, "2": s} for c, s in SCORES_A.items()}
    b = {c: {"1": s, "2": SCORES_A[c]} for c, s in SCORES_B.items()}
    labels = compare_summaries(write_summary("a.json", a), write_summary("b.json", b)).labels
    assert (labels["1"].signflip.p, labels["1"].p_holm) == (2**-5, 2**-4)
    assert labels["2"].signflip.p == labels["2"].p_holm == 1.0


def test_folds_are_pooled_and_a_case_in_two_is_an_error(write_summary: Write) -> None:
    a = [write_summary("a0.json", {"c1": 0.8, "c2": 0.7}), write_summary("a1.json", {"c3": 0.6})]
    b = write_summary("b.json", {"c1": 0.7, "c2": 0.7, "c3": 0.6})
    assert compare_summaries(a, b).overall.n_cases == 3
    with pytest.raises(CompareError, match=r"case 'c1' is in .*a0.json and in .*b.json.*--seeds"):
        compare_summaries([a[0], b], a[1])


def test_seeds_are_averaged_a_case_and_are_not_cases(write_summary: Write) -> None:
    a = {0: [write_summary("a0.json", {"c1": 0.8, "c2": 0.6})], 1: [write_summary("a1.json", {"c1": 0.6, "c2": 0.6})]}
    b = {0: [write_summary("b0.json", {"c1": 0.5, "c2": 0.5})], 1: [write_summary("b1.json", {"c1": 0.5, "c2": 0.3})]}
    comparison = compare_summaries(a, b)
    assert comparison.overall.n_units == 2
    assert [row.difference for row in comparison.rows] == pytest.approx([0.2, 0.2])
    assert [(s.seed, s.a, s.b) for s in comparison.seeds] == [
        (0, pytest.approx(0.7), pytest.approx(0.5)),
        (1, pytest.approx(0.6), pytest.approx(0.4)),
    ]


def test_different_seeds_are_a_warning(write_summary: Write) -> None:
    a = {s: [write_summary(f"a{s}.json", {"c1": 0.8, "c2": 0.6 + s / 10})] for s in (0, 1)}
    comparison = compare_summaries(a, write_summary("b.json", {"c1": 0.5, "c2": 0.5}))
    assert "the arms have different seeds: A has seeds 0, 1, B has one run without a seed" in comparison.warnings
    assert [s.b for s in comparison.seeds] == [None, None]


def test_groups_are_the_unit(write_summary: Write, tmp_path: Path) -> None:
    groups = tmp_path / "cases.csv"
    groups.write_text("case,group,split\n" + "".join(f"c{i},p{(i + 1) // 2},train\n" for i in range(1, 7)))
    comparison = compare_summaries(write_summary("a.json", SCORES_A), write_summary("b.json", SCORES_B), groups=groups)
    assert (comparison.overall.n_cases, comparison.overall.n_units, comparison.grouped) == (6, 3, True)
    assert comparison.overall.signflip.p == 0.25
    assert "cannot reach p < 0.05 with n = 3" in comparison.verdict


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,patient\nc1,p1\n", "no column 'group'"),
        ("case,group\nc1,p1\n", "gives no group for: c2, c3, c4, c5, c6"),
        ("case,group\nc1,p1\nc1,p2\n", "case 'c1' is in groups 'p1' and 'p2'"),
        (None, "cannot read"),
    ],
)
def test_unusable_groups_are_named(write_summary: Write, tmp_path: Path, text: str | None, message: str) -> None:
    groups = tmp_path / "cases.csv"
    if text is not None:
        groups.write_text(text)
    a, b = write_summary("a.json", SCORES_A), write_summary("b.json", SCORES_B)
    with pytest.raises(CompareError, match=message):
        compare_summaries(a, b, groups=groups)


def test_different_cases_are_listed(write_summary: Write) -> None:
    a = write_summary("a.json", SCORES_A)
    b = write_summary("b.json", {"c1": 0.5, "c2": 0.7, "x1": 0.5})
    with pytest.raises(CompareError, match=r"only in A: c3, c4, c5, c6; only in B: x1; 2 are shared"):
        compare_summaries(a, b)
    comparison = compare_summaries(a, b, allow_unmatched=True)
    assert [row.case for row in comparison.rows] == ["c1", "c2"]
    assert comparison.unmatched == (["c3", "c4", "c5", "c6"], ["x1"])
    assert any("A has: c3, c4, c5, c6" in line for line in comparison.warnings)


def test_a_long_list_of_cases_is_cut(write_summary: Write) -> None:
    a = write_summary("a.json", {f"c{i:02d}": 0.5 for i in range(20)})
    with pytest.raises(CompareError, match=r"c09, \.\.\. \(20 in all\)"):
        compare_summaries(a, write_summary("b.json", {"x": 0.5}), allow_unmatched=True)


def test_fewer_than_two_cases_are_refused(write_summary: Write) -> None:
    with pytest.raises(CompareError, match=r"n = 1: .* needs at least 2 cases"):
        compare_summaries(write_summary("a.json", {"c1": 0.5}), write_summary("b.json", {"c1": 0.4}))


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_few_cases_cannot_show_a_difference(write_summary: Write, n: int) -> None:
    a = {f"c{i}": 0.6 + i / 50 for i in range(n)}
    found = compare_summaries(write_summary("a.json", a), write_summary("b.json", dict.fromkeys(a, 0.5)))
    assert found.overall.smallest_p == 2.0 ** (1 - n)
    assert "cannot be shown" in found.verdict


def test_one_patient_is_refused(write_summary: Write, tmp_path: Path) -> None:
    (tmp_path / "g.csv").write_text("case,group\n" + "".join(f"c{i},p1\n" for i in range(1, 7)))
    a, b = write_summary("a.json", SCORES_A), write_summary("b.json", SCORES_B)
    with pytest.raises(CompareError, match=r"n = 1: 6 cases are paired.* at least 2 patients"):
        compare_summaries(a, b, groups=tmp_path / "g.csv")


def test_different_labels_are_refused(write_summary: Write) -> None:
    a = write_summary("a.json", {"c1": {"1": 0.5}, "c2": {"1": 0.5}})
    b = write_summary("b.json", {"c1": {"1": 0.5, "2": 0.5}, "c2": {"1": 0.5, "2": 0.5}})
    with pytest.raises(CompareError, match="the labels differ: 1 in A, but 1, 2 in B"):
        compare_summaries(a, b)


def test_different_references_are_refused(write_summary: Write) -> None:
    a = write_summary("a.json", {"c1": {"1": {"TP": 5, "FP": 0, "FN": 5}}, "c2": 0.5})
    b = write_summary("b.json", {"c1": {"1": {"TP": 5, "FP": 0, "FN": 6}}, "c2": 0.5})
    with pytest.raises(CompareError, match="label 1 of case 'c1' has 10 voxels in A but 11 in B"):
        compare_summaries(a, b)


def test_one_file_in_both_arms_is_refused(write_summary: Write) -> None:
    a = write_summary("a.json", SCORES_A)
    with pytest.raises(CompareError, match="both arms hold"):
        compare_summaries(a, a)


def test_arms_of_one_name_are_refused(write_summary: Write) -> None:
    with pytest.raises(CompareError, match="both arms are named 'x'"):
        compare_summaries(write_summary("a.json", SCORES_A), write_summary("b.json", SCORES_B), names=("x", "x"))


def test_equal_scores_are_suspicious(write_summary: Write) -> None:
    comparison = compare_summaries(write_summary("a.json", SCORES_A), write_summary("b.json", SCORES_A))
    assert comparison.overall.ties == 6
    assert any("copies of one training" in line for line in comparison.warnings)
    assert comparison.overall.interval.method == "degenerate"
    assert comparison.verdict == "A and B have the same score in all 6 cases: there is no difference to test."
