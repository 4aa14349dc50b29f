"""Write the tables of docs/evidence/calibration.md from benchmarks/results/calibration.json and speed_statistics.json.

python benchmarks/calibration_table.py
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

from calibration_designs import SPREADS
from calibration_spreads import sentence

from rasd_nnu.files import write_text

ROOT = Path(__file__).parent
PAGE = ROOT.parent / "docs/evidence/calibration.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
Cells = Mapping[str, Mapping[str, float]]
ONE = {
    "primary": "primary",
    "signflip": "sign-flip",
    "student": "Student",
    "wilcoxon": "Wilcoxon",
    "bca": "BCa",
    "bootstrap_t": "bootstrap-t",
    "bootstrap_t_symmetric": "symmetric bootstrap-t",
    "cases_as_units": "cases as units",
}
CROSSED = {
    "primary": "primary",
    "hillis": "Hillis",
    "satterthwaite": "Satterthwaite",
    "pigeonhole": "pigeonhole",
    "patients_only": "seeds averaged, patients alone",
}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return a Markdown table, numbers to the right."""
    head = list(head)
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * 2}{'--:|' * (len(head) - 2)}"]
    return [*lines, *(f"| {' | '.join(row)} |" for row in rows)]


def show(cell: Mapping[str, float], key: str) -> str:
    """Return a share of rejections; bold where it is not within Monte Carlo error of at most 5 %."""
    if key not in cell:
        return ""
    return f"**{cell[key]:.1f}**" if cell[key] > 6.0 else f"{cell[key]:.1f}"


def one_training(cells: Cells) -> list[str]:
    """Return the table of one training an arm."""
    rows = []
    for name, cell in cells.items():
        kind, *parts = name.split("|")
        if kind == "one":
            shape, n, clustered = parts
            cases = "1-5" if clustered != "1 case" else "1"
            rows.append([shape, n[2:], cases, *(show(cell, key) for key in ONE)])
    order = list(dict.fromkeys(row[0] for row in rows))
    rows.sort(key=lambda row: (order.index(row[0]), int(row[1]), row[2]))
    return table(["differences", "n", "cases", *ONE.values()], rows)


def crossed(cells: Cells, shape: str) -> list[str]:
    """Return the table of several seeds for one distribution over patients."""
    rows = []
    for name, cell in cells.items():
        kind, *parts = name.split("|")
        if kind == "crossed" and parts[0] == shape:
            seeds, n, sd = (part.split("=")[1] for part in parts[1:])
            rows.append([seeds, n, sd, *(show(cell, key) for key in CROSSED)])
    rows.sort(key=lambda row: (int(row[0]), int(row[1]), float(row[2])))
    return table(["seeds", "n", "seed sd", *CROSSED.values()], rows)


def areas(cells: Cells) -> list[str]:
    """Return the table of the AUC."""
    keys = {
        "delong": "DeLong",
        "bootstrap_auc": "bootstrap, AUC",
        "bootstrap_average_precision": "bootstrap, average precision",
        "primary": "primary",
        "hillis": "Hillis",
    }
    rows = []
    for name, cell in cells.items():
        if name.startswith("auc|"):
            seeds, n, sd = (part.split("=")[1] for part in name.split("|")[1:])
            rows.append([seeds, n, sd, *(show(cell, key) for key in keys)])
    return table(["seeds", "cases", "seed sd", *keys.values()], rows)


def summary(cells: Cells) -> list[str]:
    """Return, for each primary test, where its level lies from n = 12 on."""
    larger = {name: cell for name, cell in cells.items() if "n=6|" not in name}
    hard = ("lognormal", "fails in 5 %")
    one = {name: cell for name, cell in larger.items() if name.startswith("one|")}
    groups = {
        "One training, primary, the first seven shapes": (
            {k: v for k, v in one.items() if not any(h in k for h in hard)}
        ),
        "One training, primary, lognormal and rare failures": {
            k: v for k, v in one.items() if any(h in k for h in hard)
        },
        **{
            f"{seeds} seeds, {key}": {
                k: v for k, v in larger.items() if f"seeds={seeds}|" in k and k.startswith("crossed")
            }
            for key in ("primary", "satterthwaite")
            for seeds in (2, 3, 5, 8)
        },
    }
    rows = []
    for title, group in groups.items():
        values = [v["satterthwaite" if title.endswith("satterthwaite") else "primary"] for v in group.values()]
        inside, covered = sum(v <= 6 for v in values), sum(3 <= v <= 7 for v in values)
        spread = f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"
        rows.append([title, str(len(values)), f"{inside}", f"{covered}", spread])
    head = ["test", "cells from n = 12 on", "level at most 5 % (± 1)", "coverage 93 to 97 %", "level, median (range)"]
    return table(head, rows)


def main() -> None:
    """Replace what is between the markers."""
    content = json.loads((ROOT / "results/calibration.json").read_text())
    cells: Cells = content["cells"]
    speed = json.loads((ROOT / "results/speed_statistics.json").read_text())
    parts = [
        f"{content['simulations']:,} comparisons a cell, {len(cells)} cells, {content['cpu_seconds']:.0f} s of CPU.",
        "",
        *summary(cells),
        "",
        "### One training an arm: rejections at 5 % in percent",
        "",
        *one_training(cells),
        "",
        f"### Several seeds\n\nMeasured standard deviations of the arms' difference, Dice points: {sentence()}.",
    ]
    for spreads in SPREADS:
        parts += ["", f"Patients: {spreads}", "", *crossed(cells, spreads)]
    parts += ["", "### AUC and average precision", "", *areas(cells), "", "### Speed", ""]
    parts += table(
        ["what", "machine", "s"], [[k, speed["machine"]["cpu"], f"{v:.1f}"] for k, v in speed["seconds"].items()]
    )
    before, _, rest = PAGE.read_text().partition(BEGIN)
    write_text(PAGE, "\n".join([before + BEGIN, "", *parts, "", END + rest.partition(END)[2]]))


if __name__ == "__main__":
    main()
