"""Curves of Dice against steps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

_SHOWN = 6


def draw_curves(records: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw mean Dice against steps, a panel a task, of the arms that were run most.

    Args:
        records: All records; those of the inner folds are left out.
        file: PNG to write.
    """
    outer = [r for r in records if r["inner"] is None and r["labelled"] == 5]
    panels = sorted({r["task"] for r in outer})
    runs: dict[tuple[str, str, int], list[Any]] = defaultdict(list)
    for record in outer:
        runs[record["task"], record["name"], record["recipe"]["steps"]].append(record["curve"])
    count: dict[str, int] = defaultdict(int)
    for (_, name, _), curves in runs.items():
        count[name] += len(curves)
    names = sorted(count, key=lambda name: (name != "scratch", -count[name]))[:_SHOWN]
    columns = min(3, max(1, len(panels)))
    rows = max(1, -(-len(panels) // columns))
    figure, axes = plt.subplots(rows, columns, figsize=(4 * columns, 2.8 * rows), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, task in zip(axes.flat, panels, strict=False):
        for (own, name, _), curves in sorted(runs.items()):
            if own == task and name in names:
                steps = [step for step, _ in curves[0]]
                mean = 100 * np.mean([[v for _, v in curve] for curve in curves], axis=0)
                axis.plot(steps, mean, color=f"C{names.index(name)}", label=f"{name} ({len(curves)})", linewidth=1)
        axis.set_title(task, fontsize=9)
        axis.legend(fontsize=6)
        axis.tick_params(labelsize=7)
    figure.supxlabel("steps", fontsize=9)
    figure.supylabel("mean Dice of the test patients", fontsize=9)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=90)
    plt.close(figure)
