from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from rasd_nnu.compare.classification import compare_predictions
from rasd_nnu.compare.collapse import about_collapse, lead
from rasd_nnu.compare.statistics import Request
from rasd_nnu.compare.verdict import about_margin, about_seeds, about_sizes
from rasd_nnu.errors import CompareError
from rasd_nnu.records import read_predictions, write_predictions
from rasd_nnu.stats import delong_paired
from tests.compare.records import classification

KLASSES = ("a", "b", "c")


def _table(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Truth and probabilities, both (cases, classes)."""
    cases = read_predictions(path).cases
    return (
        np.array([list(c.labels.values()) for c in cases]),
        np.array([list(c.probabilities.values()) for c in cases]),
    )


def test_two_classes_one_training_is_delong(tmp_path: Path) -> None:
    a, b = classification(tmp_path / "a.csv", 2.0, 1), classification(tmp_path / "b.csv", 1.0, 2)
    found = compare_predictions(a, b, names=("rasd", "scratch"))
    (truth, first), (_, second) = _table(a), _table(b)
    reference = delong_paired(truth[:, 1], first[:, 1], second[:, 1])
    assert (found.kind, found.score, found.overall.method) == ("classification", "AUC", "delong")
    assert found.overall.p == pytest.approx(reference.p, abs=1e-8)
    assert found.overall.mean_a == pytest.approx(roc_auc_score(truth[:, 1], first[:, 1]), abs=1e-12)
    precision = found.others["average precision"]
    assert precision.mean_b == pytest.approx(average_precision_score(truth[:, 1], second[:, 1]), abs=1e-9)
    accuracy = found.others["accuracy"]
    assert accuracy.mean_a == pytest.approx(np.mean(first.argmax(1) == truth.argmax(1)))
    assert accuracy.mcnemar is not None
    assert "not known for this kind of task" in about_seeds(found)  # the spread that is known is one of Dice
    assert found.rows[0].a == pytest.approx((first * truth).sum(1)[0], abs=1e-8)


def test_several_classes_have_the_mean_of_their_auc(tmp_path: Path) -> None:
    a, b = (classification(tmp_path / f"{x}.csv", q, q, KLASSES, n=45) for x, q in (("a", 2), ("b", 1)))
    found = compare_predictions(a, b)
    truth, first = _table(a)
    assert found.score == "mean AUC"
    assert found.overall.mean_a == pytest.approx(roc_auc_score(truth, first, average="macro"), abs=1e-12)
    assert list(found.labels) == list(KLASSES)
    assert all(label.p_holm >= label.p for label in found.labels.values())  # type: ignore[operator]
    assert found.overall.interval.low < found.overall.difference < found.overall.interval.high


@pytest.mark.parametrize("classes", [("no", "yes"), KLASSES])
def test_seeds_are_crossed_with_patients(tmp_path: Path, classes: tuple[str, ...]) -> None:
    arms = [
        {
            s: [classification(tmp_path / f"{x}{s}.csv", q, 10 * s + int(q), classes, n=36, per_group=2)]
            for s in (0, 1, 2)
        }
        for x, q in (("a", 2), ("b", 1))
    ]
    found = compare_predictions(*arms)
    assert (found.overall.method, found.overall.n_seeds) == ("crossed", 3)
    assert found.grouped and found.overall.n_units < 36
    means = [np.mean([getattr(s, side) for s in found.seeds]) for side in "ab"]
    assert means == pytest.approx([found.overall.mean_a, found.overall.mean_b], abs=1e-12)


def _constant(path: Path, n: int = 40) -> Path:
    """Write predictions that are the same for every case, as a collapsed classifier makes them."""
    rows = "".join(f"c{i:03d},p{i},0,{'yes' if i % 2 else 'no'},0.45,0.55\n" for i in range(n))
    path.write_text("case,group,fold,label,prob_no,prob_yes\n" + rows)
    return path


def test_two_collapsed_arms_have_no_quality_to_compare(tmp_path: Path) -> None:
    found = compare_predictions(_constant(tmp_path / "a.csv"), _constant(tmp_path / "b.csv"), names=("rasd", "scratch"))
    assert (found.overall.p, found.overall.mean_a, found.failed) == (1.0, 0.5, ["rasd", "scratch"])
    assert found.verdict.startswith("All trainings of rasd and of scratch collapsed: there is no quality to compare (")
    assert about_collapse(found).startswith("2 of 2 trainings collapsed (rasd: the same prediction for every case; scr")


@pytest.mark.parametrize("seeds", [(None,), (0, 1, 2)], ids=["one training", "three seeds"])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_collapsed_arm_is_not_called_worse(tmp_path: Path, seeds: tuple[int | None, ...], swapped: bool) -> None:
    good = {s: [classification(tmp_path / f"a{s}.csv", 2.0, s or 0)] for s in seeds}
    flat = {s: [_constant(tmp_path / f"b{s}.csv")] for s in seeds}
    arms = (flat, good) if swapped else (good, flat)
    names = ("scratch", "rasd") if swapped else ("rasd", "scratch")
    found = compare_predictions(*arms, names=names, request=Request(margin=0.05))
    assert found.overall.p < 0.001  # the numbers alone would claim a difference
    assert found.failed == ["scratch"]
    assert found.verdict.startswith(
        "All trainings of scratch collapsed: the difference from rasd is that of a failed training, not one in quality"
    )
    assert "better" not in lead(found) and "worse" not in lead(found)
    assert f"{len(seeds)} of {2 * len(seeds)} trainings collapsed" in lead(found)
    assert about_sizes(found) == ""
    assert found.overall.equivalence is None or "nothing is claimed" in about_margin(found)


def test_one_collapsed_seed_is_named_and_the_others_are_judged(tmp_path: Path) -> None:
    a = {s: [classification(tmp_path / f"a{s}.csv", 2.0, s)] for s in (0, 1, 2)}
    b = {s: [classification(tmp_path / f"b{s}.csv", 1.0, s + 5)] for s in (0, 1)}
    b[2] = [_constant(tmp_path / "b2.csv")]
    found = compare_predictions(a, b, names=("rasd", "scratch"))
    assert found.failed == []
    kept = [s.a - s.b for s in found.seeds[:2] if s.a is not None and s.b is not None]
    assert found.without_collapsed == pytest.approx(np.mean(kept), abs=1e-12)
    assert lead(found).endswith(
        "1 of 6 trainings collapsed (scratch seed 2: the same prediction for every case): that is a failed training, "
        f"not a difference in quality. Over the other seeds the difference is {np.mean(kept):+.4f}."
    )


def test_a_class_that_is_predicted_alike_everywhere_is_named_alone(tmp_path: Path) -> None:
    a, b = (classification(tmp_path / f"{x}.csv", 1.0, 1, KLASSES, n=45) for x in "ab")
    table = read_predictions(b)
    cases = [c.model_copy(update={"probabilities": {"a": 0.2, **_rest(c.probabilities["b"])}}) for c in table.cases]
    write_predictions(b, replace(table, cases=tuple(cases)))
    (found,) = compare_predictions(a, b).collapsed
    assert (found.arm, found.what, found.complete) == ("B", "the same prediction of a for every case", False)


def _rest(share: float) -> dict[str, float]:
    """Share 0.8 between classes b and c."""
    return {"b": 0.8 * share, "c": 0.8 - 0.8 * share}


def test_findings_that_are_not_known_do_not_count(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    head = "case,group,fold,label_x,prob_x,label_y,prob_y\n"
    truth = [(i % 2, "" if i < 4 else i % 3 % 2) for i in range(30)]
    for name in "ab":
        rows = [f"c{i},c{i},0,{x},{rng.random():.6f},{y},{rng.random():.6f}\n" for i, (x, y) in enumerate(truth)]
        (tmp_path / f"{name}.csv").write_text(head + "".join(rows))
    found = compare_predictions(tmp_path / "a.csv", tmp_path / "b.csv")
    assert (found.labels["x"].n_cases, found.labels["y"].n_cases) == (30, 26)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("c001,p1,0,yes", "c001,p1,0,no", "the label of case 'c001' differs between A and B"),
        ("c001,p1,", "c001,p7,", "the group of case 'c001' differs between A and B"),
        ("prob_yes", "prob_maybe", "line 3: label is 'yes', expected one of no, maybe"),
        ("c001,", "x001,", "only in A: c001; only in B: x001"),
    ],
)
def test_arms_that_do_not_fit_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    a, b = classification(tmp_path / "a.csv", 2.0, 1, n=6), classification(tmp_path / "b.csv", 1.0, 2, n=6)
    b.write_text(b.read_text().replace(old, new))
    with pytest.raises(CompareError) as error:
        compare_predictions(a, b)
    assert message in str(error.value)


def test_a_class_with_one_patient_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"c{i},c{i},0,{'yes' if i == 0 else 'no'},0.{i},{1 - i / 10}\n" for i in range(1, 9))
    for name in "ab":
        text = "case,group,fold,label,prob_no,prob_yes\nc0,c0,0,yes,0.2,0.8\n" + rows
        (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(CompareError, match="yes: the AUC cannot be compared"):
        compare_predictions(tmp_path / "a.csv", tmp_path / "b.csv")


def test_a_seed_that_one_arm_lacks_is_refused(tmp_path: Path) -> None:
    a = {s: [classification(tmp_path / f"a{s}.csv", 2.0, s, n=8)] for s in (0, 1)}
    b = {s: [classification(tmp_path / f"b{s}.csv", 2.0, s, n=8)] for s in (0, 2)}
    with pytest.raises(CompareError, match="have different seeds"):
        compare_predictions(a, b)
