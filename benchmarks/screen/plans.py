"""Plans: lists of trainings, the most wanted first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from arms import ARMS
from recipe import Job, Recipe
from tasks import ACROSS, CHOOSING, CONFIRMING

#: Rates and starts were tried with it; it counts for nothing else.
PILOT_SEED = 100

_SHORT = Recipe(steps=700, rate=6e-3)
_BRIEF = replace(_SHORT, steps=250)
_PLATEAU = replace(_SHORT, steps=1400)


def _smoke() -> list[Job]:
    recipe = Recipe(steps=30, pool=64)
    return [Job(task, ARMS[arm], recipe) for task in CHOOSING + CONFIRMING for arm in ("scratch", "shift_late")]


def _recipe() -> list[Job]:
    """The short recipe: rate and length, on scratch alone."""
    grid = ((400, 1e-3), (400, 3e-3), (400, 6e-3), (400, 1.2e-2), (800, 6e-3))
    return [
        Job(task, ARMS["scratch"], Recipe(steps=steps, rate=rate), seed=PILOT_SEED)
        for steps, rate in grid
        for task in CHOOSING
    ]


def _rates() -> list[Job]:
    """The rate of starts and of scratch, and kinds of starts."""
    return [
        *(
            Job(task, ARMS[arm], Recipe(steps=700, rate=rate), seed=PILOT_SEED)
            for arm in ("fields_whole_4000", "scratch")
            for rate in (6e-3, 2e-3)
            for task in CHOOSING[:3]
        ),
        *(
            Job(task, ARMS[arm], Recipe(steps=700, rate=6e-3), seed=PILOT_SEED)
            for arm in (
                "fields_cut_2000",
                "fields_scales_2000",
                "fields_shallow_4000",
                "fields_half_4000",
                "cases_whole_1200",
            )
            for task in CHOOSING[:3]
        ),
    ]


_MIXED = ("scratch", "shift_always", "curve_always")
_WARPED = ("warp", "shift_warp_always")
_TRIED = ("convolution_always", "shift_quarter", "shift_mild_always", "shift_late")
_GRAY = CHOOSING[:3]
#: Without the one in 3D, where a training takes four times as long.
CONFIRMING_FLAT = tuple(task for task in CONFIRMING if task != "hippocampus_3d")
FLAT = (*CHOOSING, *CONFIRMING_FLAT)
_TWENTY = tuple(task for task in FLAT if task != "covid_ct")  # which has no 20 patients to train on


def _on(tasks: Sequence[str], arms: Sequence[str], seeds: Sequence[int], recipe: Recipe, **more: int) -> list[Job]:
    return [Job(task, ARMS[arm], recipe, seed=seed, **more) for seed in seeds for task in tasks for arm in arms]


def _study() -> list[Job]:
    """The study: 700 steps, twice as many, 20 patients, inner folds, other appearances, starts, few steps."""
    two = ("scratch", "shift_always")
    start = ("fields_whole_4000",)
    started = (*_GRAY, "usgra_us", "muscle_ultrasound")  # which share a start; others need one of their own
    return [
        *_on(FLAT, two, (0,), _SHORT),
        *_on(FLAT, ("scratch",), (0,), _PLATEAU),
        *_on(FLAT, two, (1, 2, 3), _SHORT),
        *_on(started, (*two, *start), (0,), _BRIEF),
        *(job for fold in (0, 1) for job in _on(FLAT, two, (0,), _SHORT, inner=fold)),
        *_on(_TWENTY, two, (0,), _SHORT, labelled=20),
        *_on(_GRAY, ("random_always", "curve_always"), (0,), _SHORT),
        *_on(CHOOSING, _WARPED, (0, 1), _SHORT),
        *_on(CHOOSING, _TRIED, (0,), _SHORT),
        *_on(FLAT, two, (4, 5), _SHORT),
        *_on(CHOOSING, ("convolution_always",), (1, 2, 3), _SHORT),
        *_on(CONFIRMING_FLAT, ("convolution_always",), (0, 1, 2, 3), _SHORT),
        *_on(FLAT, two, (6, 7), _SHORT),
        *_on(CHOOSING, two, (0, 1), _SHORT, labelled=3),
        *_on(FLAT, ("random_always",), (0,), _SHORT),
        *_on(("hippocampus_2d", "wbc_smear"), two, (0,), _BRIEF),
        *_on(started, start, (0,), _SHORT),
        *_on(FLAT, ("curve_always",), (0,), _SHORT),
        *_on(started, start, (1,), _SHORT),
        *_on(started, (*two, *start), (1,), _BRIEF),
        *_on(_TWENTY, two, (1,), _SHORT, labelled=20),
        *_on(("hippocampus_3d",), two, (0, 1), _SHORT),
        *_on(FLAT, ("random_always", "curve_always"), (1,), _SHORT),
        *(job for fold in (0, 1) for job in _on(FLAT, two, (1,), _SHORT, inner=fold)),
        *_on(FLAT, ("scratch",), (1,), _PLATEAU),
        *_on(ACROSS, _MIXED, (0, 1, 2, 3), _SHORT),
    ]


PLANS: dict[str, Callable[[], list[Job]]] = {"smoke": _smoke, "recipe": _recipe, "rates": _rates, "study": _study}


def jobs(plan: str) -> list[Job]:
    """Return the trainings of a plan.

    Raises:
        SystemExit: If there is no such plan.
    """
    if plan not in PLANS:
        raise SystemExit(f"unknown plan {plan!r}, expected one of {', '.join(PLANS)}")
    return list({job.key: job for job in PLANS[plan]()}.values())  # what is wanted twice counts where it is first
