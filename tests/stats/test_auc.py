from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from rasd_nnu.stats import auc, auc_delong, auc_jackknife, bootstrap_paired, delong_paired
from rasd_nnu.stats.auc import weighted_auc, weighted_average_precision


def _study(seed: int, n: int = 40, patients: int | None = None) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Labels, tied scores of three arms, and patients who have cases of both classes."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation((np.arange(n) < n // 3).astype(int))
    groups = rng.integers(0, patients or n, n).tolist()
    scores = np.round(labels + rng.normal(0, 1, n) + rng.normal(0, 0.7, (3, n)), 1)
    return labels, scores, groups


def _kernel(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The U-statistic's kernel: 1 where a positive beats a negative, 1/2 for a tie; (positives, negatives)."""
    up, down = scores[labels == 1][:, None], scores[labels == 0][None, :]
    return (up > down) + 0.5 * (up == down)


@pytest.mark.parametrize("seed", range(3))
def test_auc_equals_scikit_learn(seed: int) -> None:
    labels, scores, _ = _study(seed)
    for row in scores:
        assert auc(labels, row) == pytest.approx(roc_auc_score(labels, row), abs=1e-12)


def test_weighted_scores_equal_scikit_learn() -> None:
    labels, scores, _ = _study(1)
    weights = np.random.default_rng(0).multinomial(40, np.full(40, 1 / 40), 20).astype(float)
    for found, reference in ((weighted_auc, roc_auc_score), (weighted_average_precision, average_precision_score)):
        expected = [reference(labels, scores[0], sample_weight=w) for w in weights]
        assert found(labels.astype(bool), scores[0], weights) == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_delong_equals_the_brute_force_u_statistic(seed: int) -> None:
    labels, scores, _ = _study(seed)
    kernels = [_kernel(labels, row) for row in scores]
    rows, columns = (np.array([k.mean(axis) for k in kernels]) for axis in (1, 0))
    expected = np.cov(rows) / rows.shape[1] + np.cov(columns) / columns.shape[1]
    areas, covariance = auc_delong(labels, scores)
    assert areas == pytest.approx(np.array([k.mean() for k in kernels]), abs=1e-12)
    assert covariance == pytest.approx(expected, abs=1e-12)


def test_delong_of_clustered_cases_equals_obuchowskis_formula() -> None:
    labels, scores, groups = _study(4, 60, patients=18)
    code = np.array(groups)
    expected = np.zeros((3, 3))
    kernels = [_kernel(labels, row) for row in scores]
    of_positive, of_negative = code[labels == 1], code[labels == 0]
    m, n = of_positive.size, of_negative.size
    x = np.array([[(k.mean(1) - k.mean())[of_positive == g].sum() for g in np.unique(code)] for k in kernels])
    y = np.array([[(k.mean(0) - k.mean())[of_negative == g].sum() for g in np.unique(code)] for k in kernels])
    i10, i01, i = np.unique(of_positive).size, np.unique(of_negative).size, np.unique(code).size
    for r in range(3):
        for s in range(3):
            s10 = i10 / ((i10 - 1) * m) * (x[r] * x[s]).sum()
            s01 = i01 / ((i01 - 1) * n) * (y[r] * y[s]).sum()
            s11, s11_swapped = (i / (i - 1) * (u * v).sum() for u, v in ((x[r], y[s]), (x[s], y[r])))
            expected[r, s] = s10 / m + s01 / n + (s11 + s11_swapped) / (m * n)
    assert auc_delong(labels, scores, groups)[1] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("patients", [None, 18])
def test_jackknife_leaves_out_one_patient_at_a_time(patients: int | None) -> None:
    labels, scores, groups = _study(5, 60, patients)
    code = np.array(groups if patients else np.arange(60))
    reduced = []
    for patient in np.unique(code):
        keep = code != patient
        reduced.append([roc_auc_score(labels[keep], row[keep]) for row in scores])
    centred = np.array(reduced) - np.mean(reduced, axis=0)
    k = np.unique(code).size
    covariance = auc_jackknife(labels, scores, groups if patients else None)[1]
    assert covariance == pytest.approx((k - 1) / k * centred.T @ centred, abs=1e-12)


def test_paired_delong_of_independent_cases() -> None:
    labels, scores, _ = _study(6)
    found = delong_paired(labels, scores[0], scores[1])
    kernels = [_kernel(labels, row) for row in scores[:2]]
    rows, columns = kernels[0].mean(1) - kernels[1].mean(1), kernels[0].mean(0) - kernels[1].mean(0)
    assert found.difference == pytest.approx(kernels[0].mean() - kernels[1].mean(), abs=1e-12)
    assert found.se**2 == pytest.approx(rows.var(ddof=1) / rows.size + columns.var(ddof=1) / columns.size, abs=1e-12)
    assert (found.interval.low <= 0 <= found.interval.high) == (found.p > 0.05)


def test_arms_that_rank_alike_have_no_variance() -> None:
    labels, scores, _ = _study(7)
    found = delong_paired(labels, scores[0], 3 * scores[0])
    assert (found.difference, found.p, found.interval.method) == (pytest.approx(0, abs=1e-12), 1.0, "degenerate")
    assert "no variance" in found.note
    assert bootstrap_paired(labels, scores[0], 3 * scores[0], n_resamples=200).p == 1.0


@pytest.mark.parametrize("metric", ["auc", "average_precision"])
def test_bootstrap_is_close_to_delong_and_holds_patients_together(metric: str) -> None:
    rng = np.random.default_rng(8)
    labels = np.repeat([0, 1], 100)
    a, b = labels + rng.normal(0, 1.2, 200), labels + rng.normal(0, 1.2, 200)
    found = bootstrap_paired(labels, a, b, metric=metric, n_resamples=4000)  # type: ignore[arg-type]
    delong = delong_paired(labels, a, b)
    if metric == "auc":
        assert found.difference == pytest.approx(delong.difference, abs=1e-12)
        assert found.se == pytest.approx(delong.se, rel=0.06)
        assert found.interval.low == pytest.approx(delong.interval.low, abs=0.15 * delong.se)
    repeated = [np.repeat(x, 3) for x in (labels, a, b)]
    groups = np.repeat(np.arange(200), 3).tolist()
    clustered = bootstrap_paired(*repeated, groups=groups, metric=metric, n_resamples=4000)  # type: ignore[arg-type]
    assert clustered.se == pytest.approx(found.se, rel=0.06)


def test_few_cases_of_a_class_are_named() -> None:
    assert "unreliable" in delong_paired([0] * 20 + [1] * 4, np.arange(24), np.arange(24)[::-1]).note


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3], "both classes"),
        ([0, 1, 2], [0.1, 0.2, 0.3], "0 or 1"),
        ([0, 1, 1], [0.1, np.nan, 0.3], "finite"),
        ([0, 1], [0.1, 0.2, 0.3], "one a label"),
    ],
)
def test_refuses(labels: list[int], scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        auc(labels, scores)


def test_refuses_a_class_of_one_patient() -> None:
    with pytest.raises(ValueError, match="2 patients"):
        auc_delong([0, 0, 1, 1], [[0.1, 0.2, 0.3, 0.4]], ["a", "b", "c", "c"])
    with pytest.raises(ValueError, match="two patients"):
        auc_jackknife([0, 0, 1, 1], [[0.1, 0.2, 0.3, 0.4]], ["a", "b", "c", "c"])
