"""Trainings of the screen's bench, and records as if they had been run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any


def small_job(screen: Any, arm: str = "scratch", **changes: Any) -> Any:
    recipe = screen.recipe.Recipe(steps=2, batch=2, pool=6)
    return screen.recipe.Job("invented", screen.arms.ARMS[arm], recipe, **{"labelled": 3, **changes})


def record_of(screen: Any, job: Any, dice: float) -> dict[str, Any]:
    job = replace(job, task="camus_us")
    curve = [[1, dice / 2], [2, dice]]
    found = {"key": job.key, "name": job.arm.name, "dice": dice, "collapsed": [], "curve": curve}
    return job.settings() | found | {"shifts": {"inverted": dice - 0.1, "blur": dice - 0.2}}
