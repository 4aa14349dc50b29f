"""The screen's bench: trainings of two steps on invented images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.benchmarks.screen_jobs import small_job


@pytest.mark.parametrize("arm", ["scratch", "random_always", "warp"])
def test_a_record_says_what_was_run_and_found(screen: Any, arm: str, tmp_path: Path) -> None:
    job = small_job(screen, arm)
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
        for job in (small_job(screen), replace(small_job(screen), arm=waiting), small_job(screen, "curve_always"))
    ]
    assert records[0]["patients"] == records[1]["patients"] and records[0]["key"] != records[1]["key"]
    assert len(list(tmp_path.glob("pool_*.pt"))) == 1


@pytest.mark.parametrize("arm", ["fields_encoder_300", "cases_whole_300"])
def test_a_start_carries_weights(screen: Any, arm: str, tmp_path: Path) -> None:
    job = small_job(screen, arm)
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
        train, test = screen.loop.split(small_job(screen, labelled=5, inner=inner))
        assert not {c.patient for c in train} & {c.patient for c in test}
        held += sorted({c.patient for c in test})
    outer_train, outer_test = screen.loop.split(small_job(screen, labelled=5))
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
    jobs = [small_job(screen, seed=seed) for seed in range(3)]
    store.add({"task": "invented", "key": jobs[0].key})
    first, _ = screen.run.next_job(jobs, store, claims)
    second, _ = screen.run.next_job(jobs, store, claims)
    assert [first.seed, second.seed] == [1, 2] and screen.run.next_job(jobs, store, claims) is None


def test_names_do_not_decide_a_key_and_plans_have_no_job_twice(screen: Any) -> None:
    job = small_job(screen)
    assert replace(job, arm=replace(job.arm, name="other")).key == job.key
    assert replace(job, seed=1).key != job.key != replace(job, inner=0).key
    for plan in screen.plans.PLANS:
        keys = [job.key for job in screen.plans.jobs(plan)]
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("scales", "cut"), [(True, 0.0), (True, 1.0)])
def test_starts_at_all_scales_and_with_cut_skips(screen: Any, tmp_path: Path, scales: bool, cut: float) -> None:
    """Coarse heads learn only where all scales are asked for; with all skips cut the first stage still learns."""
    job = small_job(screen, "fields_whole_300")
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
