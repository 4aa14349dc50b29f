"""What the screen's bench makes of its records."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.benchmarks.screen_jobs import record_of, small_job


def test_arms_are_compared_with_the_scratch_that_had_the_same_total(screen: Any) -> None:
    start = small_job(screen, "fields_whole_300")
    longer = replace(small_job(screen), recipe=replace(start.recipe, steps=302))
    records = [record_of(screen, job, dice) for job, dice in ((start, 0.7), (small_job(screen), 0.5), (longer, 0.6))]
    total, same = (screen.differences.pairs(records, total=flag) for flag in (True, False))
    assert [b["dice"] for _, b in total] == [0.6] and [b["dice"] for _, b in same] == [0.5]
    assert screen.differences.value(records[0], "shifts") == pytest.approx(55)


def test_intervals_and_power(screen: Any) -> None:
    """Against the one-sample t test, and its power by simulation."""
    values = [1.0, 2.0, 4.0, 1.5]
    found = screen.differences.of_task(values)
    expected = stats.ttest_1samp(values, 0)
    interval = expected.confidence_interval()
    assert (found.mean, found.p) == pytest.approx((np.mean(values), expected.pvalue))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert screen.differences.over_tasks({"a": values}).high == pytest.approx(found.high)
    visible = screen.differences.visible(np.random.default_rng(0).normal(0, 3, 100_000), 8)
    drawn = np.random.default_rng(1).normal(visible, 3, (4000, 8))
    assert 0.75 < (stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean() < 0.85


def test_the_page_is_made_of_the_records(screen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, store = tmp_path / "few_labels.md", screen.store.Store(tmp_path / "records")
    (tmp_path / "log.md").write_text("<!-- tables: begin -->\n<!-- tables: end -->\n")
    page.write_text("before\n<!-- tables: begin -->\nstale\n<!-- tables: end -->\nafter\n")
    for seed in range(2):
        for arm, dice in (("scratch", 0.5), ("curve_late", 0.52 + 0.02 * seed)):
            store.add(record_of(screen, small_job(screen, arm, seed=seed), dice))
    monkeypatch.setattr(sys, "argv", ["analyse", "--results", str(store.folder), "--page", str(page)])
    screen.analyse.main()
    text = page.read_text()
    assert "| curve_late | +3.0 | +3.0 [" in text and "stale" not in text and text.endswith("after\n")
    assert "| curve_late | 1 choosing | 3 | 2 | +3.0 | +3.0 | 2 |" in (tmp_path / "log.md").read_text()
    assert (tmp_path / "few_labels_curves.png").stat().st_size > 1000


def test_choosing_inside_is_judged_outside(screen: Any) -> None:
    """Inner folds that point the right way win, those that do not lose what the arm loses."""
    records = []
    for seed, inside, outside in ((0, 0.05, 0.04), (1, 0.02, -0.03), (2, -0.01, 0.02)):
        for arm, gain in (("scratch", 0.0), ("curve_always", 1.0)):
            for inner in (0, 1):
                records.append(record_of(screen, small_job(screen, arm, seed=seed, inner=inner), 0.5 + gain * inside))
            records.append(record_of(screen, small_job(screen, arm, seed=seed), 0.5 + gain * outside))
    lines = screen.side_evidence.inner_folds(records)
    assert "| camus_us | 1 | curve_always | 3 | 2 | +2.0 | -3.0 | no |" in lines
    assert lines[-1].startswith("curve_always, 3 pairs of 1 tasks: always +1.0, chosen where it is ahead inside +0.3")
    assert "the better of both +2.0; same sign in 1 of 3" in lines[-1]


def test_a_plateau_is_scratch_with_twice_the_steps(screen: Any) -> None:
    job = small_job(screen)
    longer = replace(job, recipe=replace(job.recipe, steps=4))
    lines = screen.side_evidence.plateau([record_of(screen, job, 0.5), record_of(screen, longer, 0.51)])
    assert lines[2:] == ["| camus_us | 3 | 2 | +1.0 (+1.0) | 1 |"]


def test_aims_name_the_tasks_that_are_harmed(screen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    aim = screen.verdict.Aim("few", "curve_always", 3, 2, 3)
    monkeypatch.setattr(screen.verdict, "AIMS", (aim,))
    records = []
    for task, gain in (("camus_us", 0.02), ("covid_ct", -0.05)):
        for seed in range(4):
            for arm, dice in (("scratch", 0.5), ("curve_always", 0.5 + gain + 0.002 * seed)):
                records.append(record_of(screen, small_job(screen, arm, seed=seed), dice) | {"task": task})
    line = screen.verdict.verdicts(records, 1e-3)[2]
    assert "| few | curve_always | +3 | -1.2 [" in line and "| 2 | 8 | covid_ct -4.7 [" in line
    assert line.endswith("| covid_ct of 2 with 3 seeds or more |")


def test_agreement_with_nnunet_is_of_the_same_task_seed_and_arm(screen: Any, tmp_path: Path) -> None:
    recipe = {"epochs": 1, "iterations": 2, "rate": "1e-3", "labelled": 3}
    gains = {"curve_always": (0.01, 0.02), "shift_always": (0.02, 0.01), "random_always": (-0.03, -0.04)}
    rows = [{"task": "camus_us", "arm": "scratch", "seed": 0, "dice": 0.4}]
    rows += [{"task": "camus_us", "arm": arm, "seed": 0, "dice": 0.4 + g} for arm, (_, g) in gains.items()]
    file = tmp_path / "confirm.json"
    file.write_text(json.dumps({"recipe": recipe, "results": rows}))
    records = [
        record_of(screen, small_job(screen, arm), 0.5 + g) for arm, (g, _) in {"scratch": (0, 0), **gains}.items()
    ]
    lines = screen.side_evidence.agreement(records, file)
    assert "| camus_us | 0 | random_always | 50.0 | 40.0 | -3.0 | -4.0 |" in lines
    assert lines[-1].startswith("Rank correlation of the differences over 3 pairs: 0.50")
