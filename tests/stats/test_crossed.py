"""The multi-reader multi-case analysis, against published output and a slow reference.

`data/van_dyke.csv` holds the ratings of Van Dyke et al. (Cine MRI in the diagnosis of thoracic aortic dissection, 79th
RSNA, 1993): 2 treatments, 5 readers, 114 cases, the example of nearly all publications on the method. The expected
numbers are the output of OR-DBM MRMC 2.51 (Iowa; trapezoidal AUC, jackknife) and JAFROC 4.2.1, as kept in the sources
of the R package RJafroc (inst/IowaResults/VanDyke.txt, inst/JAFROC/VanDykeROC.txt). `data/README.md` says where
the ratings come from and on what grounds they are here.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from rasd_nnu.stats import (
    CrossedTest,
    auc_delong,
    auc_jackknife,
    crossed_mean_test,
    mean_covariance,
    obuchowski_rockette,
)
from rasd_nnu.stats.calibrated import REJECTED, REJECTED_SKEWED_6, calibration_note
from rasd_nnu.stats.critical import agreement, weighted_critical, weighted_df

READERS, CASES = 5, 114


@pytest.fixture(scope="module")
def van_dyke() -> CrossedTest:
    table = np.loadtxt(Path(__file__).parent / "data/van_dyke.csv", delimiter=",", skiprows=1)
    areas, covariance = auc_jackknife(table[:, 1], table[:, 2:].T)
    return obuchowski_rockette(areas.reshape(2, READERS), covariance, CASES)


def test_van_dyke_reader_differences(van_dyke: CrossedTest) -> None:
    published = (-0.02818, -0.04654, -0.01787, -0.02625, -0.10016)
    assert van_dyke.by_seed == pytest.approx(published, abs=5e-6)
    assert van_dyke.difference == pytest.approx(-0.04380032, abs=5e-9)


def test_van_dyke_variance_components(van_dyke: CrossedTest) -> None:
    parts = van_dyke.components
    found = (parts.or_seed, parts.or_seed_arm, parts.cov1, parts.cov2, parts.cov3, parts.var_error)
    assert found == pytest.approx((0.001535, 0.0002004, 0.00034661, 0.00034407, 0.00023903, 0.00080229), abs=5e-9)
    dbm = (parts.dbm_patient, parts.dbm_patient_arm, parts.dbm_seed_patient, parts.dbm_residual)
    assert dbm == pytest.approx((0.02724923, 0.0119753, 0.01226473, 0.0399716), abs=5e-9)
    assert parts.ms_seed / 2 == pytest.approx(0.00055103, abs=5e-9)


def test_van_dyke_random_readers_and_random_cases(van_dyke: CrossedTest) -> None:
    assert van_dyke.se == pytest.approx(0.02075, abs=5e-6)
    assert van_dyke.hillis.df == pytest.approx(15.26, abs=5e-3)
    assert van_dyke.hillis.p == pytest.approx(0.0517, abs=5e-5)
    interval = van_dyke.hillis.interval
    assert (interval.low, interval.high) == pytest.approx((-0.08796, 0.00036), abs=5e-6)


def test_van_dyke_fixed_readers_and_fixed_cases(van_dyke: CrossedTest) -> None:
    readers, cases = van_dyke.these_seeds, van_dyke.these_patients
    assert (readers.df, readers.p) == (113, pytest.approx(0.0210, abs=5e-5))
    assert (readers.interval.low, readers.interval.high) == pytest.approx((-0.08088, -0.00672), abs=5e-6)
    assert (cases.df, cases.p) == (4, pytest.approx(0.0420, abs=5e-5))
    assert (cases.interval.low, cases.interval.high) == pytest.approx((-0.08502, -0.00258), abs=5e-6)


def _anova(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Mean squares of the three-way analysis of variance arm x seed x patient, by plain loops over projections."""
    x = np.stack([a, b])
    t, r, c = x.shape
    grand = x.mean()
    effects = {
        "TR": x.mean(2) - x.mean((1, 2))[:, None] - x.mean((0, 2))[None] + grand,
        "TC": x.mean(1) - x.mean((1, 2))[:, None] - x.mean((0, 1))[None] + grand,
    }
    three = x - x.mean(2, keepdims=True) - x.mean(1, keepdims=True) - x.mean(0, keepdims=True)
    three = (
        three + x.mean((1, 2), keepdims=True) + x.mean((0, 2), keepdims=True) + x.mean((0, 1), keepdims=True) - grand
    )
    return {
        "T": r * c * float(((x.mean((1, 2)) - grand) ** 2).sum()) / (t - 1),
        "TR": c * float((effects["TR"] ** 2).sum()) / ((t - 1) * (r - 1)),
        "TC": r * float((effects["TC"] ** 2).sum()) / ((t - 1) * (c - 1)),
        "TRC": float((three**2).sum()) / ((t - 1) * (r - 1) * (c - 1)),
    }


@pytest.mark.parametrize("seed", range(3))
def test_equals_dorfman_berbaum_metz_for_a_score_of_each_case(seed: int) -> None:
    rng = np.random.default_rng(seed)
    patient = rng.normal(0, 0.05, 20)
    a = 0.8 + rng.normal(0, 0.01, (4, 1)) + patient + rng.normal(0, 0.03, (4, 20))
    b = 0.79 + rng.normal(0, 0.01, (4, 1)) + patient + rng.normal(0, 0.03, (4, 20))
    found, ms = crossed_mean_test(a, b), _anova(a, b)
    error = ms["TR"] + max(ms["TC"] - ms["TRC"], 0)
    df = error**2 / (ms["TR"] ** 2 / 3)
    assert found.hillis.df == pytest.approx(df, rel=1e-6)
    assert found.hillis.p == pytest.approx(stats.f.sf(ms["T"] / error, 1, df), rel=1e-6)
    assert found.these_seeds.p == pytest.approx(stats.f.sf(ms["T"] / ms["TC"], 1, 19), rel=1e-6)


def test_the_jackknife_of_a_mean_is_its_covariance() -> None:
    values = np.random.default_rng(0).normal(0, 1, (3, 15))
    left_out = np.array([np.delete(values, i, axis=1).mean(1) for i in range(15)])
    jackknife = 14 / 15 * (left_out - left_out.mean(0)).T @ (left_out - left_out.mean(0))
    assert mean_covariance(values) == pytest.approx(jackknife, rel=1e-10)


def test_components_add_up_to_the_variance_of_the_mean() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, (5, 40)) + rng.normal(0, 1, (5, 1)), rng.normal(0, 1, (5, 40)) + rng.normal(0, 1, 40)
    found = crossed_mean_test(a, b)
    assert found.components.variance_of_mean(5, 40) == pytest.approx(found.se**2, rel=1e-6)


def test_components_are_estimated_without_bias() -> None:
    rng = np.random.default_rng(2)
    found = []
    for _ in range(150):
        difference = rng.normal(0, 2, (4, 1)) + rng.normal(0, 3, 12) + rng.normal(0, 1, (4, 12))
        parts = crossed_mean_test(difference, np.zeros((4, 12))).components
        found.append((parts.seed, parts.patient, parts.residual))
    assert np.mean(found, axis=0) == pytest.approx((4, 9, 1), rel=0.2)


def _crossed(rng: np.random.Generator, seeds: int, spread: float, patients: int = 20) -> CrossedTest:
    """Return the analysis of equal arms whose seeds have a standard deviation."""
    d = rng.normal(0, spread, (seeds, 1)) + rng.normal(0, 5, patients) + rng.normal(0, 3, (seeds, patients))
    return crossed_mean_test(d, np.zeros((seeds, patients)))


def test_two_seeds_that_agree_do_not_make_an_interval_of_no_width() -> None:
    rng = np.random.default_rng(8)
    rest = rng.normal(0, 0.08, (2, 40))
    rest -= rest.mean(1, keepdims=True)  # both seeds have the same mean difference
    found = crossed_mean_test(0.02 + rest, np.zeros((2, 40)))
    assert found.test.se**2 == pytest.approx(found.se**2 + agreement(2) * found.components.ms_residual / 2)
    assert found.test.se >= found.these_seeds.se > 2 * found.se


@pytest.mark.parametrize(("seeds", "spread"), [(2, 2.0), (3, 2.0), (3, 0.0)])
def test_the_level_is_held_with_few_seeds(seeds: int, spread: float) -> None:
    """Satterthwaite's and Hillis' degrees of freedom reject 13 and 7 % of these with seeds that vary."""
    rng = np.random.default_rng(3)
    found = [_crossed(rng, seeds, spread, patients=60) for _ in range(300)]
    assert np.mean([f.test.p <= 0.05 for f in found]) <= 0.08
    assert np.mean([f.test.p <= 0.05 for f in found]) <= np.mean([f.hillis.p <= 0.05 for f in found])


@pytest.mark.parametrize(("seeds", "patients"), [(2, 100), (3, 12), (8, 6), (5, 5)])
def test_degrees_of_freedom_lie_between_those_of_seeds_and_of_patients(seeds: int, patients: int) -> None:
    shares = np.linspace(0, 1, 11)
    found = [weighted_df(share, seeds, patients) for share in shares]
    assert found[0] == patients - 1 and found[-1] == seeds - 1
    assert np.all(np.diff(found) * np.sign(seeds - patients) >= 0)
    for share, df in zip(shares, found, strict=True):
        assert stats.t.ppf(0.975, df) == pytest.approx(weighted_critical(share, seeds, patients), rel=1e-7)


def test_the_critical_value_is_that_of_cochran_and_cox_with_two_seeds() -> None:
    expected = 0.3 * stats.t.ppf(0.975, 1) + 0.7 * stats.t.ppf(0.975, 29)
    assert weighted_critical(0.3, 2, 30) == pytest.approx(expected, rel=1e-9)


def test_each_interval_agrees_with_its_p_value() -> None:
    rng = np.random.default_rng(4)
    for _ in range(30):
        a = rng.normal(0.01, 0.02, (3, 1)) + rng.exponential(0.03, 15) + rng.normal(0, 0.02, (3, 15))
        found = crossed_mean_test(a, np.full((3, 15), 0.03))
        for way in (found.test, found.hillis, found.these_seeds, found.these_patients):
            assert (way.interval.low <= 0 <= way.interval.high) == (way.p > 0.05)


def test_cases_of_one_patient_are_one_unit() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.8, 0.1, (3, 10)), rng.normal(0.8, 0.1, (3, 10))
    groups = np.repeat(np.arange(10), 3).tolist()
    assert crossed_mean_test(np.repeat(a, 3, 1), np.repeat(b, 3, 1), groups).test.p == pytest.approx(
        crossed_mean_test(a, b).test.p
    )


def test_the_note_says_what_was_simulated() -> None:
    """The shares in the note are those of the evidence, over all spreads of a design."""
    cells = json.loads((Path(__file__).parents[2] / "benchmarks/results/calibration.json").read_text())["cells"]
    crossed = {name: cell for name, cell in cells.items() if name.startswith("crossed|")}
    for seeds, of_patients in REJECTED.items():
        for patients, bounds in of_patients.items():
            shares = [c["primary"] for name, c in crossed.items() if f"|seeds={seeds}|n={patients}|" in name]
            assert bounds == pytest.approx((min(shares), max(shares)), abs=0.006), (seeds, patients)
    one = [c["primary"] for name, c in list(cells.items()) if name.startswith("one|") and "|n=6|" in name]
    assert sum(share > REJECTED_SKEWED_6 for share in one) <= 4  # lognormal and rare failures are worse
    assert "3 seeds, 6 units" in calibration_note(3, 6) and "3 seeds, 6 units" in calibration_note(4, 11)
    assert calibration_note(8, 100) == ""


def test_few_seeds_are_named_and_equal_arms_do_not_divide_by_zero() -> None:
    same = np.random.default_rng(0).normal(0.8, 0.1, (3, 12))
    found = crossed_mean_test(same, same)
    assert found.test.p == 1.0
    assert found.test.interval.method == "degenerate" and found.note == ""
    assert "2 seeds, 12 units" in crossed_mean_test(same[:2], same[:2]).note


@pytest.mark.parametrize(
    ("shape_a", "shape_b", "message"),
    [((1, 9), (1, 9), "2 seeds"), ((3, 1), (3, 1), "2 patients"), ((3, 9), (2, 9), "same seeds")],
)
def test_refuses(shape_a: tuple[int, int], shape_b: tuple[int, int], message: str) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=message):
        crossed_mean_test(rng.random(shape_a), rng.random(shape_b))


def test_delong_and_jackknife_nearly_agree() -> None:
    table = np.loadtxt(Path(__file__).parent / "data/van_dyke.csv", delimiter=",", skiprows=1)
    jackknife, delong = (f(table[:, 1], table[:, 2:].T)[1] for f in (auc_jackknife, auc_delong))
    assert np.diag(delong) == pytest.approx(np.diag(jackknife), rel=0.35)
    assert delong.sum() == pytest.approx(jackknife.sum(), rel=0.03)
