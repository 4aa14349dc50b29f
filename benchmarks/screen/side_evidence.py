"""Tables beside the main ones: does choosing on inner folds pay, is scratch at its plateau, does nnU-Net agree."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from differences import Record, is_scratch, of_task, pairs, setting, value
from scipy import stats
from tasks import CONFIRMING

#: Length of the trainings that most tables are about.
MAIN_STEPS = 700


def inner_folds(records: Sequence[Record], folds: int = 2) -> list[str]:
    """Return, for each task, seed and arm, the difference on inner folds beside that on the test patients.

    Below the table: what choosing gives on the test patients, the arm where it is ahead inside and scratch elsewhere,
    against always the arm, and against the better of both, which nobody knows beforehand; intervals are over tasks.
    """
    inside: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    outside: dict[tuple[Any, ...], float] = {}
    for arm, baseline in pairs(records):
        recipe = arm["recipe"]
        key = arm["task"], arm["seed"], arm["name"], arm["labelled"], recipe["steps"], recipe["rate"]
        difference = value(arm, "dice") - value(baseline, "dice")
        if arm["inner"] is None:
            outside[key] = difference
        else:
            inside[key].append(difference)
    lines = ["| task | seed | arm | patients | steps | inner folds | test patients | same sign |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    found: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    for key, values in sorted(inside.items()):
        if len(values) < folds or key not in outside:
            continue
        task, seed, name, labelled, steps, _ = key
        inner, outer = float(np.mean(values)), outside[key]
        found[name].append((task, inner, outer))
        same = "yes" if inner * outer > 0 else "no"
        lines.append(f"| {task} | {seed} | {name} | {labelled} | {steps} | {inner:+.1f} | {outer:+.1f} | {same} |")
    for name, rows in found.items():
        lines += ["", _choice(name, rows)]
        confirming = [row for row in rows if row[0] in CONFIRMING]
        if 0 < len(confirming) < len(rows):
            lines += ["", f"On the confirming tasks alone: {_choice(name, confirming)}"]
    return lines


def _choice(name: str, rows: Sequence[tuple[str, float, float]]) -> str:
    """Return what choosing an arm by inner folds gives, from task, inner and outer differences."""
    tasks = list(dict.fromkeys(task for task, _, _ in rows))
    inner, outer = np.array([(i, o) for _, i, o in rows]).T
    each = {"always": outer, "chosen where it is ahead inside": np.where(inner > 0, outer, 0)}
    each["the better of both"] = np.maximum(outer, 0)
    told = []
    for what, values in each.items():
        of_tasks = [
            float(np.mean([v for (t, _, _), v in zip(rows, values, strict=True) if t == task])) for task in tasks
        ]
        mean = of_task(of_tasks)
        interval = "" if np.isnan(mean.low) else f" [{mean.low:+.1f}, {mean.high:+.1f}]"
        told.append(f"{what} {mean.mean:+.1f}{interval}")
    same = int((inner * outer > 0).sum())
    return f"{name}, {len(rows)} pairs of {len(tasks)} tasks: {', '.join(told)}; same sign in {same} of {len(rows)}."


def plateau(records: Sequence[Record]) -> list[str]:
    """Return what twice the steps give scratch, task by task, in points."""
    plain = {setting(r, r["recipe"]["steps"]): r for r in records if is_scratch(r) and r["inner"] is None}
    gains: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for record in plain.values():
        steps = record["recipe"]["steps"]
        twice = plain.get(setting(record, 2 * steps))
        if twice is not None:
            key = record["task"], record["labelled"], steps
            gains[key].append(value(twice, "dice") - value(record, "dice"))
    lines = ["| task | patients | steps | twice as many give | seeds |", "|---|---|---|---|---|"]
    for (task, labelled, steps), values in sorted(gains.items()):
        each = ", ".join(f"{v:+.1f}" for v in values)
        lines.append(f"| {task} | {labelled} | {steps} | {np.mean(values):+.1f} ({each}) | {len(values)} |")
    return lines


def agreement(records: Sequence[Record], file: Path) -> list[str]:
    """Return the differences to scratch of confirm.py beside the screen's of the same task, seed and arm."""
    content = json.loads(file.read_text())
    recipe, rows = content["recipe"], content["results"]
    steps = recipe["epochs"] * recipe["iterations"]
    screen = {
        (a["task"], a["seed"], a["name"]): (value(a, "dice") - value(b, "dice"), value(b, "dice"))
        for a, b in pairs([r for r in records if r["inner"] is None and r["labelled"] == recipe["labelled"]])
        if a["recipe"]["steps"] == steps and a["recipe"]["rate"] == float(recipe["rate"])
    }
    plain = {(r["task"], r["seed"]): 100 * r["dice"] for r in rows if r["arm"] == "scratch"}
    lines = [
        "| task | seed | arm | scratch: screen | nnU-Net | difference: screen | nnU-Net |",
        "|---|---|---|---|---|---|---|",
    ]
    both = []
    for row in sorted(rows, key=lambda r: (r["task"], r["seed"], r["arm"])):
        own = screen.get((row["task"], row["seed"], row["arm"]))
        if row["arm"] == "scratch" or own is None:
            continue
        base = plain[row["task"], row["seed"]]
        both.append((own[0], 100 * row["dice"] - base))
        told = f"{row['task']} | {row['seed']} | {row['arm']} | {own[1]:.1f} | {base:.1f}"
        lines.append(f"| {told} | {both[-1][0]:+.1f} | {both[-1][1]:+.1f} |")
    if len(both) > 2:
        found = stats.spearmanr(*np.array(both).T)
        told = f"{len(both)} pairs: {found.statistic:.2f} (p {found.pvalue:.2g})."
        lines += ["", f"Rank correlation of the differences over {told}"]
    return lines


def depth(file: Path) -> list[str]:
    """Return what depth.py measured: how much of the objective is left without some stages of the encoder."""
    found = json.loads(file.read_text())
    silenced = list(next(iter(found.values())))
    lines = ["| start | " + " | ".join(silenced) + " |", "|---|" + "---|" * len(silenced)]
    return lines + [f"| {name} | {' | '.join(f'{100 * v:.1f}' for v in row.values())} |" for name, row in found.items()]


def fingerprints(records: Sequence[Record], file: Path, name: str) -> list[str]:
    """Return what fingerprint.py found beside the mean gain of an arm in each task, and their rank correlations."""
    content = json.loads(file.read_text())
    measures = [key for key in content["results"][0] if key not in ("task", "seed")]
    gains: dict[str, list[float]] = defaultdict(list)
    for arm, baseline in pairs([r for r in records if r["inner"] is None and r["labelled"] == content["labelled"]]):
        if arm["name"] == name and arm["recipe"]["steps"] == MAIN_STEPS:
            gains[arm["task"]].append(value(arm, "dice") - value(baseline, "dice"))
    means = {
        task: [float(np.mean([r[m] for r in content["results"] if r["task"] == task])) for m in measures]
        for task in gains
    }
    lines = [f"| task | {' | '.join(measures)} | gain of {name} |", "|---|" + "---|" * (len(measures) + 1)]
    for task, numbers in means.items():
        told = " | ".join(f"{number:.2f}" for number in numbers)
        lines.append(f"| {task} | {told} | {np.mean(gains[task]):+.1f} |")
    if len(means) > 2:
        found = [
            stats.spearmanr([n[i] for n in means.values()], [np.mean(g) for g in gains.values()])
            for i in range(len(measures))
        ]
        told = ", ".join(f"{m} {f.statistic:+.2f} (p {f.pvalue:.2g})" for m, f in zip(measures, found, strict=True))
        lines += ["", f"Rank correlation with the gain over {len(means)} tasks: {told}."]
    return lines
