"""Plans: lists of trainings, the most wanted first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from arms import ARMS
from recipe import Job, Recipe
from tasks import CHOOSING, CONFIRMING

_SHORT = Recipe(steps=400, rate=6e-3)
_PLATEAU = replace(_SHORT, steps=1200)


def _smoke() -> list[Job]:
    recipe = Recipe(steps=30, pool=64)
    return [Job(task, ARMS[arm], recipe) for task in CHOOSING + CONFIRMING for arm in ("scratch", "shift_late")]


def _recipe() -> list[Job]:
    """The short recipe: rate and length, on scratch alone."""
    grid = ((400, 1e-3), (400, 3e-3), (400, 6e-3), (400, 1.2e-2), (800, 6e-3))
    return [
        Job(task, ARMS["scratch"], Recipe(steps=steps, rate=rate), seed=100)
        for steps, rate in grid
        for task in CHOOSING
    ]


_FIRST = ("scratch", "curve_late", "shift_late", "random_late", "convolution_late", "warp")
_SECOND = ("curve_early", "shift_alike_late", "random_half_late")


def _on(tasks: Sequence[str], arms: Sequence[str], seeds: Sequence[int], recipe: Recipe, **more: int) -> list[Job]:
    return [Job(task, ARMS[arm], recipe, seed=seed, **more) for seed in seeds for task in tasks for arm in arms]


def _mix() -> list[Job]:
    """Kinds of mixing, starts, then both, with the scratch of the same total."""
    starts, total = ("cases_whole_300", "fields_whole_300"), replace(_SHORT, steps=700)
    return [
        *_on(CHOOSING, _FIRST, (0,), _SHORT),
        *_on(CHOOSING, starts, (0,), _SHORT),
        *_on(CHOOSING, ("scratch",), (0, 1), total),
        *_on(CHOOSING, ("shift_both_always", "shift_always"), (0,), total),
        *_on(CHOOSING, ("shift_both_always",), (1,), total),
        *_on(CHOOSING, ("curve_always",), (0,), total),
        *_on(CONFIRMING[2:], ("scratch", "shift_both_always"), (0,), total),
        *_on(CONFIRMING[1:2], ("scratch", "shift_both_always"), (0,), total),
        *_on(CONFIRMING[2:], ("scratch", "shift_both_always"), (1,), total),
        *_on(CHOOSING, ("scratch", "shift_both_always"), (0,), _SHORT, inner=0),
        *_on(CHOOSING, ("scratch", "shift_both_always"), (0,), _SHORT, inner=1),
        *_on(CHOOSING, ("shift_always", "curve_always"), (1,), total),
        *_on(CHOOSING, ("cases_300_shift_late",), (0, 1, 2), _SHORT),
        *_on(CHOOSING, ("scratch", "shift_always"), (2,), total),
        *_on(CHOOSING, ("cases_300_shift_late",), (0,), _PLATEAU),
        *_on(CHOOSING, ("scratch",), (0,), replace(_PLATEAU, steps=1500)),
        *_on(CHOOSING, ("scratch", "shift_late"), (0, 1), _PLATEAU),
        *_on(CHOOSING, starts, (1,), _SHORT),
        *_on(CHOOSING, ("shift_always", "shift_first", "curve_always", "cases_300_curve_late"), (0,), _SHORT),
        *_on(CHOOSING, _FIRST, (0,), _PLATEAU),
        *_on(CHOOSING, ("scratch",), (0, 1), replace(_PLATEAU, steps=2400)),
        *_on(CHOOSING, ("scratch", "shift_late", "curve_late"), (0,), _SHORT, inner=0),
        *_on(CHOOSING, ("scratch", "shift_late", "curve_late"), (0,), _SHORT, inner=1),
        *_on(CHOOSING, _FIRST, (1,), _SHORT),
    ]


def _across() -> list[Job]:
    """Trained on one source, tested on another; and the first confirming task."""
    arms = ("scratch", "shift_both_always")
    return [
        *_on(("covid_ct_across",), ("scratch", "curve_always", "shift_both_always"), (0,), _SHORT),
        *_on(CONFIRMING[:1], arms, (0,), replace(_SHORT, steps=700)),
        *_on(("covid_ct_across",), arms, (1, 2), _SHORT),
        *_on(CONFIRMING[:1], arms, (1,), replace(_SHORT, steps=700)),
    ]


PLANS: dict[str, Callable[[], list[Job]]] = {"smoke": _smoke, "recipe": _recipe, "mix": _mix, "across": _across}


def jobs(plan: str) -> list[Job]:
    """Return the trainings of a plan.

    Raises:
        SystemExit: If there is no such plan.
    """
    if plan not in PLANS:
        raise SystemExit(f"unknown plan {plan!r}, expected one of {', '.join(PLANS)}")
    return list({job.key: job for job in PLANS[plan]()}.values())  # what is wanted twice counts where it is first
