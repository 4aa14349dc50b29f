"""The figures that were to be reached, and what was measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from differences import Difference, Record, corrected, is_scratch, of_task, over_tasks, pairs, value

#: The arm that the defaults are about, the one without regions, and the start that was run most.
WINNER, PLAIN, START = "shift_always", "convolution_always", "fields_whole_4000"


@dataclass(frozen=True)
class Aim:
    """A figure to be reached.

    Args:
        name: What it is about.
        arm: The arm.
        labelled: Labelled patients.
        steps: Steps of fine-tuning.
        goal: Points of Dice that were aimed at.
        measure: ``dice`` at home, or ``shifts``.
        total: Against scratch with the same total steps; otherwise with the same steps of fine-tuning.
    """

    name: str
    arm: str
    labelled: int
    steps: int
    goal: float
    measure: str = "dice"
    total: bool = True


AIMS = (
    Aim("5 patients, plateau", WINNER, 5, 700, 3),
    Aim("20 patients", WINNER, 20, 700, 1),
    Aim("5 patients, short", WINNER, 5, 250, 8),
    Aim("5 patients, short, pre-training not counted", START, 5, 250, 8, total=False),
    Aim("5 patients, plateau, under shift", WINNER, 5, 700, 5, "shifts"),
    Aim("5 patients, plateau, without regions", PLAIN, 5, 700, 3),
    Aim("5 patients, plateau, under shift, without regions", PLAIN, 5, 700, 5, "shifts"),
)


def verdicts(records: Sequence[Record], rate: float) -> list[str]:
    """Return a table of the aims: the mean over tasks, and tasks that are significantly worse (Holm over tasks)."""
    lines = ["| | arm | aimed at | measured | tasks | pairs | worst task | significantly worse |", "|---|" + "---|" * 7]
    for aim in AIMS:
        by_task = _of_aim(records, aim, rate)
        if not by_task:
            continue
        each = {task: of_task(values) for task, values in by_task.items()}
        worst = min(each, key=lambda task: each[task].mean)
        lines.append(
            f"| {aim.name} | {aim.arm} | {aim.goal:+g} | {_told(over_tasks(by_task))} | {len(each)} | "
            f"{sum(map(len, by_task.values()))} | {worst} {_told(each[worst])} | {_harmed(each)} |"
        )
    return lines


def _of_aim(records: Sequence[Record], aim: Aim, rate: float) -> dict[str, Sequence[float]]:
    outer = [r for r in records if r["inner"] is None and r["labelled"] == aim.labelled]
    found: dict[str, list[float]] = defaultdict(list)
    for arm, baseline in pairs(outer, total=aim.total):
        recipe = arm["recipe"]
        if (arm["name"], recipe["steps"], recipe["rate"]) == (aim.arm, aim.steps, rate):
            found[arm["task"]].append(value(arm, aim.measure) - value(baseline, aim.measure))
    return dict(found)


def _told(found: Difference) -> str:
    return f"{found.mean:+.1f}" if np.isnan(found.low) else f"{found.mean:+.1f} [{found.low:+.1f}, {found.high:+.1f}]"


def _harmed(each: dict[str, Difference]) -> str:
    """Return the tasks whose mean is below 0 with Holm's p below 0.05, or that seeds are too few to tell."""
    adjusted = dict(zip(each, corrected(list(each.values())), strict=True))
    known = {task: p for task, p in adjusted.items() if not np.isnan(p)}
    if not known:
        return "seeds are too few"
    harmed = [task for task, p in known.items() if p < 0.05 and each[task].mean < 0]
    return (", ".join(harmed) or "none") + f" of {len(known)} with 3 seeds or more"


def steps_to_plateau(records: Sequence[Record], steps: int, rate: float) -> list[str]:
    """Return after how many steps the mean curves first reach what scratch has after ``steps``.

    Curves are Dice on a part of the test patients at six places; all lengths of an arm count.
    """
    curves: dict[str, dict[str, dict[int, list[list[list[float]]]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for r in records:
        if r["inner"] is None and r["labelled"] == 5 and r["recipe"]["rate"] == rate:
            name = "scratch" if is_scratch(r) else r["name"]
            curves[r["task"]][name][r["recipe"]["steps"]].append(r["curve"])
    arms = ("scratch", WINNER, START)
    lines = [f"| task | scratch after {steps} | {' | '.join(arms)} |", "|---|---|" + "---|" * len(arms)]
    for task, of_arms in sorted(curves.items()):
        if steps not in of_arms["scratch"]:
            continue
        level = float(np.mean([curve[-1][1] for curve in of_arms["scratch"][steps]]))
        cells = [_first(of_arms[arm], level) for arm in arms]
        lines.append(f"| {task} | {100 * level:.1f} | {' | '.join(cells)} |")
    return lines


def _first(lengths: dict[int, list[list[list[float]]]], level: float) -> str:
    """Return the fewest steps at which a mean curve of any length is at the level."""
    reached = [
        curve[0][place][0]
        for curve in lengths.values()
        for place in range(len(curve[0]))
        if np.mean([c[place][1] for c in curve]) >= level
    ]
    if not lengths:
        return ""
    return str(min(reached)) if reached else f"not by {max(lengths)}"
