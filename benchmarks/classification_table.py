"""Write the tables of docs/evidence/classification.md from the results of classification.py.

python benchmarks/classification_table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rasd_nnu.files import write_text

ROOT = Path(__file__).parent
PAGE = ROOT.parent / "docs/evidence/classification.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


def comparisons(content: dict[str, Any]) -> list[str]:
    """Return what `compare` found on the test images, one row a comparison."""
    lines = [
        "| data set | labelled | test images | score | scratch | pre-trained | difference [95 %] | by seed | p "
        "| p (Holm) |",
        "|" + "---|" * 10,
    ]
    for found in content["comparison"]["entries"]:
        design, overall = found["design"], found["overall"]
        seeds = ", ".join(f"{s['a'] - s['b']:+.3f}" for s in found["seeds"])
        name = f"| {design['dataset']} | {design['n'] or 'all'} | {found['test_images']}"
        lines.append(f"{name} | {_row(overall)} | {seeds} | {overall['p']:.2g} | {found['p_holm']:.2g} |")
        lines += [f"{name} | {_row(other)} | | {other['p']:.2g} | |" for other in found["others"].values()]
    return lines


def _row(found: dict[str, Any]) -> str:
    low, high = found["interval"]["low"], found["interval"]["high"]
    return (
        f"{found['score']} | {found['mean_b']:.3f} | {found['mean_a']:.3f} | {found['difference']:+.3f} "
        f"[{low:+.3f}, {high:+.3f}]"
    )


def runs(content: dict[str, Any]) -> list[str]:
    """Return the scores of every training and what it took."""
    lines = [
        "| task | labelled | images that were trained on | epochs | arm | seed | AUC | AP | Brier | calibration error "
        "| accuracy | processor s |",
        "|" + "---|" * 12,
    ]
    for run in content["runs"]:
        test = run["test"]
        scores = (test[k] for k in ("auc", "average_precision", "brier", "calibration_error", "accuracy"))
        values = " | ".join("-" if value is None else f"{value:.3f}" for value in scores)
        lines.append(
            f"| {run['task']} | {run['labelled'] or 'all'} | {run['training_images']} | {run['epochs']} | {run['arm']} "
            f"| {run['seed']} | {values} | {run['cpu_seconds']:.0f} |"
        )
    return lines


def main() -> None:
    """Replace what is between the markers."""
    content = json.loads((ROOT / "results" / "classification.json").read_text())
    facts = [
        f"* {task}: {', '.join(f'{k} {v}' for k, v in own.items())}" for task, own in content["tasks"].items() if own
    ]
    text = [f"Result: {content['comparison']['sentence']}", "", *comparisons(content), "", *facts, ""]
    text += ["### Every training", "", *runs(content), ""]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    write_text(PAGE, "\n".join([before + BEGIN, "", *text, END + rest.partition(END)[2]]))


if __name__ == "__main__":
    main()
