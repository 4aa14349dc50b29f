"""Write the tables of docs/reference/cost.md from the results of step.py.

python benchmarks/cost_table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rasd_nnu.files import write_text

ROOT = Path(__file__).parent
PAGE = ROOT.parent / "docs/reference/cost.md"
PAPER, SHORT = 600_000, 5_000


def hours(seconds: float) -> str:
    """Return hours, or days where there are many."""
    value = seconds / 3600
    return f"{value / 24:,.0f} d" if value > 72 else f"{value:.1f} h"


def cost_table(results: dict[str, dict[str, Any]]) -> list[str]:
    """Return what an iteration costs and what it consists of."""
    lines = [
        "| Network, patch, batch | M parameters | s / iteration | network | synthesis | objective | peak GiB "
        f"| {SHORT:,} iterations | {PAPER:,} iterations |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, r in results.items():
        iteration = r["iteration_s"]
        shares = " | ".join(f"{r[f'{part}_s'] / iteration:.1%}" for part in ("network", "synthesis", "objective"))
        lines.append(
            f"| {name.replace('_', ' ')} | {r['parameters_m']:.1f} | {iteration:.2f} | {shares} | {r['peak_gib']:.1f} "
            f"| {hours(SHORT * iteration)} | {hours(PAPER * iteration)} |"
        )
    return lines


def stand_in_table(results: dict[str, dict[str, Any]]) -> list[str]:
    """Return the comparison with the stand-in for the authors' loop."""
    lines = [
        "| Network, patch, batch | stand-in, s / iteration | here, s / iteration | times faster | bare network alone |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {name.replace('_', ' ')} | {r['authors_stand_in_s']:.2f} | {r['iteration_s']:.2f} | "
        f"{r['times_faster']:.2f} | {r['network_s']:.2f} |"
        for name, r in results.items()
        if "authors_stand_in_s" in r
    ]
    return lines


def section(path: Path) -> list[str]:
    """Return the machine and both tables of one results file."""
    content = json.loads(path.read_text())
    machine, results = content["machine"], content["results"]
    where = machine["gpu"] or f"{machine['cpu']}, {machine['threads']} thread(s)"
    clock = {"wall": "", "cpu": ", seconds of the process's own CPU time, as others used the machine too"}
    precision = ", ".join(sorted({r["precision"] for r in results.values()}))
    about = f"Measured on {where}, torch {machine['torch']}, {precision}{clock[content['clock']]}."
    lines = [about, "", *cost_table(results)]
    if any("authors_stand_in_s" in r for r in results.values()):
        lines += ["", *stand_in_table(results)]
    return lines


def main() -> None:
    """Replace what is between the markers."""
    text = PAGE.read_text()
    for device in ("cpu", "cuda"):
        path = ROOT / f"results/step_{device}.json"
        begin, end = f"<!-- {device}: begin -->", f"<!-- {device}: end -->"
        if path.is_file():
            before, _, rest = text.partition(begin)
            after = rest.partition(end)[2]
            text = "\n".join([before + begin, *section(path), end + after])
    write_text(PAGE, text)


if __name__ == "__main__":
    main()
