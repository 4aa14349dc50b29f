"""Write the tables of docs/reference/few_shot.md from results/transfer_*.json.

python benchmarks/transfer_table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rasd_nnu.files import write_text
from rasd_nnu.stats import holm

ROOT = Path(__file__).parent
PAGE = ROOT.parent / "docs/reference/few_shot.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the comparisons of one recipe as Markdown, Dice in percent."""
    lines = [
        "| task | labelled | part | scratch | pre-trained | difference [95 %] | of each seed | won | p | p (Holm) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    adjusted = holm([row["overall"]["signflip"]["p"] for row in rows])
    for row, corrected in zip(rows, adjusted, strict=True):
        found, interval = row["overall"], row["overall"]["interval"]
        seeds = ", ".join(f"{100 * (s['a'] - s['b']):+.1f}" for s in row["seeds"])
        lines.append(
            f"| {row['task']} | {row['labelled']} | {row['arm']} | {100 * found['mean_b']:.1f} | "
            f"{100 * found['mean_a']:.1f} | {100 * found['difference']:+.1f} [{100 * interval['low']:+.1f}, "
            f"{100 * interval['high']:+.1f}] | {seeds} | {found['wins']} / {found['n_units']} | "
            f"{found['signflip']['p']:.2g} | {corrected:.2g} |"
        )
    return lines


def main() -> None:
    """Replace what is between the markers."""
    parts = []
    for path in sorted((ROOT / "results").glob("transfer_*.json")):
        content = json.loads(path.read_text())
        recipe = content["recipe"]
        steps = recipe["epochs"] * recipe["iterations"]
        title = f"### {recipe['optimizer']}, rate {recipe['lr']}, {steps} iterations, warm-up {recipe['warmup']}"
        parts += [title, "", *table(content["rows"]), ""]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    write_text(PAGE, "\n".join([before + BEGIN, "", *parts, END + rest.partition(END)[2]]))


if __name__ == "__main__":
    main()
