"""The screen's bench: trainings of two steps on invented images."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

SCREEN = Path(__file__).parents[2] / "benchmarks" / "screen"


@pytest.fixture(scope="module")
def screen() -> Iterator[Any]:
    """Import the bench, whose modules are scripts beside each other, and put invented tasks in."""
    sys.path.insert(0, str(SCREEN))
    before = set(sys.modules)
    import analyse
    import arms
    import augment
    import differences
    import loop
    import plans
    import recipe
    import run
    import score
    import side_evidence
    import store
    import tasks
    import verdict

    def read(_: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        generator = np.random.default_rng(0)
        for number in range(24):
            label = np.zeros((40, 40), np.uint8)
            x, y = generator.integers(4, 24, 2)
            label[x : x + 12, y : y + 12], label[x + 3 : x + 8, y + 3 : y + 8] = 1, 2
            yield f"p{number // 2:02d}", (generator.normal(size=(1, 40, 40)) + label).astype(np.float32), label

    kept = dict(tasks.TASKS)
    tasks.TASKS["invented"] = tasks.Task("invented", 3, 1, (32, 32), 4, 1, read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RASD_DATA", "nowhere")
        modules = (
            analyse,
            arms,
            augment,
            differences,
            loop,
            plans,
            recipe,
            run,
            score,
            side_evidence,
            store,
            tasks,
            verdict,
        )
        found = type("Screen", (), {module.__name__: module for module in (*modules, verdict)})
        yield found
    tasks.TASKS.clear()
    tasks.TASKS.update(kept)
    sys.path.remove(str(SCREEN))
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(SCREEN)):
            del sys.modules[name]


def _job(screen: Any, arm: str = "scratch", **changes: Any) -> Any:
    recipe = screen.recipe.Recipe(steps=2, batch=2, pool=6)
    return screen.recipe.Job("invented", screen.arms.ARMS[arm], recipe, **{"labelled": 3, **changes})


@pytest.mark.parametrize("arm", ["scratch", "random_always", "warp"])
def test_a_record_says_what_was_run_and_found(screen: Any, arm: str, tmp_path: Path) -> None:
    job = _job(screen, arm)
    record = screen.loop.run(job, tmp_path, with_shifts=arm == "scratch")
    assert json.loads(json.dumps(record)) == record
    assert record["key"] == job.key and record["name"] == arm and len(record["patients"]) == 4
    assert [step for step, _ in record["curve"]] == [1, 2] and len(record["classes"]) == 2
    assert 0 <= record["dice"] <= 1 and (arm != "scratch" or "inverted" in record["shifts"])


def test_arms_share_patients_batches_and_weights(screen: Any, tmp_path: Path) -> None:
    """A mixing that waits until the end is scratch, to the last bit; so is the same job again."""
    late = screen.recipe.RenewConfig(share=1.0, begin=0.99, end=1.0)
    waiting = screen.recipe.Arm("waiting", mix=late)
    records = [
        screen.loop.run(job, tmp_path, with_shifts=False)
        for job in (_job(screen), replace(_job(screen), arm=waiting), _job(screen, "curve_always"))
    ]
    assert records[0]["patients"] == records[1]["patients"] and records[0]["key"] != records[1]["key"]
    assert len(list(tmp_path.glob("pool_*.pt"))) == 1


@pytest.mark.parametrize("arm", ["fields_encoder_300", "cases_whole_300"])
def test_a_start_carries_weights(screen: Any, arm: str, tmp_path: Path) -> None:
    job = _job(screen, arm)
    job = replace(job, arm=replace(job.arm, start=replace(job.arm.start, steps=2)))
    task = screen.tasks.TASKS["invented"]
    images, labels = screen.loop.pool_of(job, screen.loop.split(job)[0], tmp_path)
    weights = screen.loop.build(task, 3, 0).state_dict()
    carried = screen.loop.started(weights, task, job, images, labels, tmp_path)
    assert {n: v.shape for n, v in carried.items()} == {n: v.shape for n, v in weights.items()}
    moved = {name for name, value in weights.items() if not torch.equal(value, carried[name])}
    assert moved and any("seg_layers" in name for name in moved) == (arm == "cases_whole_300")
    assert all(name.startswith("encoder") for name in moved) == (arm == "fields_encoder_300")


def test_inner_folds_never_see_what_they_test_on_nor_the_test_patients(screen: Any) -> None:
    held = []
    for inner in (0, 1):
        train, test = screen.loop.split(_job(screen, labelled=5, inner=inner))
        assert not {c.patient for c in train} & {c.patient for c in test}
        held += sorted({c.patient for c in test})
    outer_train, outer_test = screen.loop.split(_job(screen, labelled=5))
    assert sorted(held) == sorted({c.patient for c in outer_train})
    assert not set(held) & {c.patient for c in outer_test} and len({c.patient for c in outer_test}) == 4


def test_seeds_draw_other_patients_and_the_test_stays(screen: Any) -> None:
    task = screen.tasks.TASKS["invented"]
    drawn = [{c.patient for c in task.labelled(3, seed)} for seed in range(4)]
    assert all(len(d) == 3 for d in drawn) and len({frozenset(d) for d in drawn}) > 1
    with pytest.raises(ValueError, match="8 patients to train on, not 9"):
        task.labelled(9, 0)


def test_another_source_is_tested_on_and_never_trained_on(screen: Any) -> None:
    across = replace(screen.tasks.TASKS["invented"], key="across", source="p0")
    screen.tasks.TASKS["across"] = across
    pool, test = across.cases()
    assert {c.patient for c in pool} == {f"p{i:02d}" for i in range(10)}
    assert {c.patient for c in test} == {"p10", "p11"}


def test_images_are_predicted_in_windows_of_the_patch(screen: Any) -> None:
    """A larger image is not another task than the patches that the network learned from."""
    shapes: list[tuple[int, ...]] = []

    class Bright(torch.nn.Module):
        def encoder(self, x: torch.Tensor) -> list[torch.Tensor]:
            shapes.append(tuple(x.shape[2:]))
            return [x]

        def decoder(self, skips: list[torch.Tensor]) -> torch.Tensor:
            return torch.cat([torch.zeros_like(skips[0]), skips[0] - 1], 1)

    images = [np.zeros((1, 40, 40), np.float32), np.zeros((1, 20, 50), np.float32)]
    images[0][0, 3, 37] = images[1][0, 19, 49] = 2
    found = screen.score.predict(Bright(), screen.tasks.TASKS["invented"], images)
    assert set(shapes) == {(32, 32)}
    assert [label.shape for label in found] == [(40, 40), (20, 50)]
    assert [np.argwhere(label).tolist() for label in found] == [[[3, 37]], [[19, 49]]]


def test_dice_is_of_patients_and_absent_classes_do_not_count(screen: Any) -> None:
    task = screen.tasks.TASKS["invented"]
    case, shape = screen.tasks.Case, (4, 4)
    truth = np.zeros(shape, np.uint8)
    truth[:2] = 1
    cases = [case("a", truth[None], truth), case("a", truth[None], truth * 0), case("b", truth[None], truth)]
    half = truth.copy()
    half[1] = 0
    found = screen.score.dice(task, cases, [half, truth * 0, truth])
    assert found == {"a": [0.667, None], "b": [1.0, None]}
    assert screen.score.mean_dice(found) == pytest.approx((0.667 + 1) / 2)


def test_the_pool_is_nnunets_augmentation_of_the_labelled_cases(screen: Any) -> None:
    task = screen.tasks.TASKS["invented"]
    images, labels = screen.augment.make_pool(task, task.labelled(3, 0), 12, seed=0)
    again = screen.augment.make_pool(task, task.labelled(3, 0), 12, seed=0)
    assert images.shape == (12, 1, 32, 32) and labels.shape == (12, 32, 32)
    assert torch.equal(images, again[0]) and torch.equal(labels, again[1])
    assert set(labels.unique().tolist()) == {0, 1, 2} and (labels > 0).flatten(1).any(1).float().mean() > 0.5


def test_records_are_found_again_and_a_cut_line_counts_for_nothing(screen: Any, tmp_path: Path) -> None:
    store = screen.store.Store(tmp_path)
    store.add({"task": "a", "key": "1"})
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write('{"task": "a", "ke')
    store.add({"task": "a", "key": "2"})
    assert store.keys() == {"1", "2"}


def test_the_runner_does_what_is_missing_and_leaves_what_others_are_at(screen: Any, tmp_path: Path) -> None:
    store, claims = screen.store.Store(tmp_path / "r"), screen.store.Claims(tmp_path / "c")
    jobs = [_job(screen, seed=seed) for seed in range(3)]
    store.add({"task": "invented", "key": jobs[0].key})
    first, _ = screen.run.next_job(jobs, store, claims)
    second, _ = screen.run.next_job(jobs, store, claims)
    assert [first.seed, second.seed] == [1, 2] and screen.run.next_job(jobs, store, claims) is None


def test_names_do_not_decide_a_key_and_plans_have_no_job_twice(screen: Any) -> None:
    job = _job(screen)
    assert replace(job, arm=replace(job.arm, name="other")).key == job.key
    assert replace(job, seed=1).key != job.key != replace(job, inner=0).key
    for plan in screen.plans.PLANS:
        keys = [job.key for job in screen.plans.jobs(plan)]
        assert len(keys) == len(set(keys))


def _record(screen: Any, job: Any, dice: float) -> dict[str, Any]:
    job = replace(job, task="camus_us")
    curve = [[1, dice / 2], [2, dice]]
    found = {"key": job.key, "name": job.arm.name, "dice": dice, "collapsed": [], "curve": curve}
    return job.settings() | found | {"shifts": {"inverted": dice - 0.1, "blur": dice - 0.2}}


def test_arms_are_compared_with_the_scratch_that_had_the_same_total(screen: Any) -> None:
    start = _job(screen, "fields_whole_300")
    longer = replace(_job(screen), recipe=replace(start.recipe, steps=302))
    records = [_record(screen, job, dice) for job, dice in ((start, 0.7), (_job(screen), 0.5), (longer, 0.6))]
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
            store.add(_record(screen, _job(screen, arm, seed=seed), dice))
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
                records.append(_record(screen, _job(screen, arm, seed=seed, inner=inner), 0.5 + gain * inside))
            records.append(_record(screen, _job(screen, arm, seed=seed), 0.5 + gain * outside))
    lines = screen.side_evidence.inner_folds(records)
    assert "| camus_us | 1 | curve_always | 3 | 2 | +2.0 | -3.0 | no |" in lines
    assert lines[-1].startswith("curve_always, 3 pairs of 1 tasks: always +1.0, chosen where it is ahead inside +0.3")
    assert "the better of both +2.0; same sign in 1 of 3" in lines[-1]


def test_a_plateau_is_scratch_with_twice_the_steps(screen: Any) -> None:
    job = _job(screen)
    longer = replace(job, recipe=replace(job.recipe, steps=4))
    lines = screen.side_evidence.plateau([_record(screen, job, 0.5), _record(screen, longer, 0.51)])
    assert lines[2:] == ["| camus_us | 3 | 2 | +1.0 (+1.0) | 1 |"]


def test_aims_name_the_tasks_that_are_harmed(screen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    aim = screen.verdict.Aim("few", "curve_always", 3, 2, 3)
    monkeypatch.setattr(screen.verdict, "AIMS", (aim,))
    records = []
    for task, gain in (("camus_us", 0.02), ("covid_ct", -0.05)):
        for seed in range(4):
            for arm, dice in (("scratch", 0.5), ("curve_always", 0.5 + gain + 0.002 * seed)):
                records.append(_record(screen, _job(screen, arm, seed=seed), dice) | {"task": task})
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
    records = [_record(screen, _job(screen, arm), 0.5 + g) for arm, (g, _) in {"scratch": (0, 0), **gains}.items()]
    lines = screen.side_evidence.agreement(records, file)
    assert "| camus_us | 0 | random_always | 50.0 | 40.0 | -3.0 | -4.0 |" in lines
    assert lines[-1].startswith("Rank correlation of the differences over 3 pairs: 0.50")


@pytest.mark.parametrize(("scales", "cut"), [(True, 0.0), (True, 1.0)])
def test_starts_at_all_scales_and_with_cut_skips(screen: Any, tmp_path: Path, scales: bool, cut: float) -> None:
    """Coarse heads learn only where all scales are asked for; with all skips cut the first stage still learns."""
    job = _job(screen, "fields_whole_300")
    start = replace(job.arm.start, steps=2, scales=scales, cut=cut, shared=True)
    job = replace(job, arm=replace(job.arm, start=start), seed=7)
    task = screen.tasks.TASKS["invented"]
    images, labels = screen.loop.pool_of(job, screen.loop.split(job)[0], tmp_path)
    weights = screen.loop.build(task, 3, 0).state_dict()
    found = screen.loop.started(weights, task, job, images, labels, tmp_path)
    assert not torch.equal(
        found["encoder.stages.0.0.convs.0.conv.weight"], weights["encoder.stages.0.0.convs.0.conv.weight"]
    )
    other = screen.loop.started(weights, task, replace(job, seed=8), images, labels, tmp_path)
    assert all(torch.equal(found[name], other[name]) for name in found)
