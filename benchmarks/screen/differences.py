"""Paired differences of an arm to scratch, task by task and over tasks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from rasd_nnu.stats import holm

Record = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """A mean paired difference.

    Attributes:
        mean: The mean, in points of Dice.
        low: Lower end of its 95 % interval; NaN where seeds are too few.
        high: Upper end.
        p: Of the two-sided t test; NaN likewise.
        seeds: Number of pairs.
    """

    mean: float
    low: float
    high: float
    p: float
    seeds: int


def total_steps(record: Record) -> int:
    """Return the steps of pre-training and training together."""
    start = record["arm"]["start"]
    return int(record["recipe"]["steps"]) + (0 if start is None else int(start["steps"]))


def is_scratch(record: Record) -> bool:
    """Tell whether a record is of plain training from random weights."""
    return all(not value for value in record["arm"].values())


def setting(record: Record, steps: int) -> tuple[Any, ...]:
    """Return what an arm and its baseline of ``steps`` steps must share."""
    recipe = {**record["recipe"], "steps": steps}
    inner = record["inner"]
    return (
        record["task"],
        record["labelled"],
        record["seed"],
        None if inner is None else tuple(inner),
        tuple(sorted(recipe.items())),
    )


def pairs(records: Sequence[Record], *, total: bool = True) -> list[tuple[Record, Record]]:
    """Return each record that is not scratch with its baseline, where that has been run.

    Args:
        records: All records.
        total: Baseline with the same total steps; otherwise with the same steps of fine-tuning.
    """
    plain = {setting(r, r["recipe"]["steps"]): r for r in records if is_scratch(r)}
    found = []
    for record in records:
        steps = total_steps(record) if total else record["recipe"]["steps"]
        baseline = plain.get(setting(record, steps))
        if baseline is not None and not is_scratch(record):
            found.append((record, baseline))
    return found


def value(record: Record, measure: str) -> float:
    """Return the Dice in points: at home (``dice``), or the mean over the shifts (``shifts``)."""
    if measure == "dice":
        return 100 * float(record["dice"])
    return 100 * float(np.mean(list(record["shifts"].values())))


def of_task(values: Sequence[float]) -> Difference:
    """Return the mean of paired differences of one task over its seeds, with a t interval from three on."""
    n, mean = len(values), float(np.mean(values))
    if n < 3:
        return Difference(mean, math.nan, math.nan, math.nan, n)
    error = float(np.std(values, ddof=1)) / math.sqrt(n)
    return _with_interval(mean, error, n - 1, n)


def over_tasks(by_task: dict[str, Sequence[float]]) -> Difference:
    """Return the mean over tasks, all of the same weight, for these tasks and other seeds (Welch's interval)."""
    groups = [np.asarray(values, float) for values in by_task.values()]
    mean, count = float(np.mean([g.mean() for g in groups])), sum(map(len, groups))
    if any(len(g) < 2 for g in groups):
        return Difference(mean, math.nan, math.nan, math.nan, count)
    parts = np.array([g.var(ddof=1) / len(g) for g in groups]) / len(groups) ** 2
    freedom = parts.sum() ** 2 / max((parts**2 / [len(g) - 1 for g in groups]).sum(), 1e-12)
    return _with_interval(mean, math.sqrt(parts.sum()), freedom, count)


def _with_interval(mean: float, error: float, freedom: float, seeds: int) -> Difference:
    reach = stats.t.ppf(0.975, freedom) * error
    p = 2 * stats.t.sf(abs(mean) / error, freedom) if error > 0 else math.nan
    return Difference(mean, mean - reach, mean + reach, float(p), seeds)


def visible(values: Sequence[float], seeds: int) -> float:
    """Return the smallest difference that ``seeds`` pairs show with 80 % power at 5 %, given measured differences."""
    spread = float(np.std(values, ddof=1))
    return float((stats.t.ppf(0.975, seeds - 1) + stats.t.ppf(0.8, seeds - 1)) * spread / math.sqrt(seeds))


def corrected(differences: Sequence[Difference]) -> list[float]:
    """Return Holm's p-values of those that have one, NaN for the others."""
    known = [i for i, d in enumerate(differences) if not math.isnan(d.p)]
    found = [math.nan] * len(differences)
    for i, p in zip(known, holm([differences[i].p for i in known]), strict=True):
        found[i] = p
    return found
