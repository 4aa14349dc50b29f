"""Plans: lists of trainings, the most wanted first."""

from __future__ import annotations

from collections.abc import Callable

from arms import ARMS
from recipe import Job, Recipe
from tasks import CHOOSING, CONFIRMING

_PLATEAU = Recipe(steps=400, rate=6e-3)


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


_FIRST = ("scratch", "curve_late", "random_late", "shift_late", "convolution_late")
_SECOND = ("warp", "curve_early", "shift_alike_late", "random_alike_late", "random_half_late")


def _mix() -> list[Job]:
    """Kinds of mixing, then their variants."""
    return [
        Job(task, ARMS[arm], _PLATEAU, seed=seed)
        for names, seeds in ((_FIRST, (0,)), (_SECOND, (0,)), (_FIRST, (1, 2)))
        for seed in seeds
        for task in CHOOSING
        for arm in names
    ]


PLANS: dict[str, Callable[[], list[Job]]] = {"smoke": _smoke, "recipe": _recipe, "mix": _mix}


def jobs(plan: str) -> list[Job]:
    """Return the trainings of a plan.

    Raises:
        SystemExit: If there is no such plan.
    """
    if plan not in PLANS:
        raise SystemExit(f"unknown plan {plan!r}, expected one of {', '.join(PLANS)}")
    return PLANS[plan]()
