"""Write the tables of docs/evidence/detection.md from the results of detection.py.

python benchmarks/detection_table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rasd_nnu.files import write_text

ROOT = Path(__file__).parent
PAGE = ROOT.parent / "docs/evidence/detection.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
SCORES = {"ap_0.5": "AP at 0.5", "ap_0.1": "AP at 0.1", "iou": "IoU", "froc": "FROC"}


def runs(content: dict[str, Any]) -> list[str]:
    """Return a line a training, scores in percent."""
    rows = content["runs"]
    classes = list(rows[0]["validation"]["classes"])
    names = ["epochs", *SCORES.values(), *(f"AP at 0.5, {name}" for name in classes), "processor s"]
    lines = [f"| arm | seed | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    for row in rows:
        scores = row["validation"]
        values = [scores[key] for key in SCORES] + [scores["classes"][name]["ap_0.5"] for name in classes]
        shown = " | ".join(f"{100 * value:.1f}" for value in values)
        epochs = content["epochs"][row["arm"]]
        lines.append(f"| {row['arm']} | {row['seed']} | {epochs} | {shown} | {row['cpu_seconds']:.0f} |")
    return lines


def comparisons(content: dict[str, Any]) -> list[str]:
    """Return a line a comparison and score: difference with its interval in points."""
    head = ["first", "second", "seeds", "score", "first", "second", "difference [95 %]", "p"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for found in content["comparisons"]:
        scores = {found["score"]: found["overall"], **found["others"]}
        for name, row in scores.items():
            interval, value = row["interval"], row["p"]
            p = "" if value is None else f"{value:.2g}"
            between = f"[{100 * interval['low']:+.1f}, {100 * interval['high']:+.1f}]" if interval else ""
            lines.append(
                f"| {' | '.join(found['names'])} | {row['n_seeds']} | {name} | {100 * row['mean_a']:.1f} | "
                f"{100 * row['mean_b']:.1f} | {100 * row['difference']:+.1f} {between} | {p} |"
            )
    return lines


def main() -> None:
    """Replace what is between the markers."""
    content = json.loads((ROOT / "results" / "detection.json").read_text())
    machine = content["machine"]
    setting = (
        f"Epochs of {content['steps_an_epoch']} steps; pre-training: {content['pretrain_iterations']} iterations, "
        f"{content['pretrain']['cpu_seconds']:.0f} s of the processor; {machine['cpu']}, one core."
    )
    parts = [setting, "", *runs(content), "", "### Compared", "", *comparisons(content)]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    write_text(PAGE, "\n".join([before + BEGIN, "", *parts, "", END + rest.partition(END)[2]]))


if __name__ == "__main__":
    main()
