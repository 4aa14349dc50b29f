"""Write docs/evidence/few_labels.md and log.md, and their figure, from the committed records of the screen.

python benchmarks/screen/analyse.py [--results DIR]
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from differences import Difference, Record, corrected, is_scratch, of_task, over_tasks, pairs, value, visible
from figures import draw_curves
from plans import PILOT_SEED
from recipe import PROTOCOL
from run import RESULTS
from side_evidence import agreement, depth, fingerprints, inner_folds, plateau
from store import Store
from tasks import ACROSS, CHOOSING, CONFIRMING
from verdict import steps_to_plateau, verdicts

from rasd_nnu.files import write_text

PAGE = Path(__file__).parents[2] / "docs" / "evidence" / "few_labels.md"
LOG = PAGE.with_name("log.md")
CONFIRMED, DEPTH, FINGERPRINT = (RESULTS.parent / f"screen_{name}.json" for name in ("confirm", "depth", "fingerprint"))
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
_SEEDS_OF_POWER = (4, 8)
#: Folders of records that count no more, and why.
EARLIER = {
    "protocol_2": "When whole images were predicted at once, though patches are smaller (protocol 2), which cost "
    "scratch 18 points on the task with the largest images",
    "protocol_1": "Before that, and before the engine's effects were one file each (protocol 1, one to three seeds)",
}
#: Of the study; scratch gains nothing, over tasks, by twice so many steps.
RATE, PLATEAU_STEPS = 6e-3, 700

Group = tuple[int, int, float]  # labelled patients, steps of fine-tuning, rate


def _number(found: Difference) -> str:
    """Return a difference with its interval."""
    if math.isnan(found.low):
        return f"{found.mean:+.1f}"
    return f"{found.mean:+.1f} [{found.low:+.1f}, {found.high:+.1f}]"


def _group(record: Record) -> Group:
    return record["labelled"], record["recipe"]["steps"], record["recipe"]["rate"]


def tables(records: Sequence[Record], tasks: Sequence[str], title: str) -> list[str]:
    """Return a table of differences for each number of patients and steps, over ``tasks``."""
    outer = [r for r in records if r["inner"] is None and r["task"] in tasks]
    lines: list[str] = []
    for total, against in ((True, "the same total steps"), (False, "the same steps of fine-tuning")):
        found = [pair for pair in pairs(outer, total=total) if total or pair[0]["arm"]["start"] is not None]
        for group in sorted({_group(a) for a, _ in found}):
            own = [pair for pair in found if _group(pair[0]) == group]
            labelled, steps, rate = group
            lines += [f"### {title}: {labelled} patients, {steps} steps, rate {rate:g}, scratch with {against}", ""]
            lines += [*_table(own, tasks), ""]
    return lines


def _table(own: Sequence[tuple[Record, Record]], tasks: Sequence[str]) -> list[str]:
    present = [task for task in tasks if any(a["task"] == task for a, _ in own)]
    lines = [
        "| arm | "
        + " | ".join(present)
        + " | mean over tasks | under shift | p (Holm) | collapsed, of scratch | runs |"
    ]
    lines.append("|" + "---|" * (len(present) + 6))
    rows = []
    for name in dict.fromkeys(a["name"] for a, _ in own):
        of_arm = [pair for pair in own if pair[0]["name"] == name]
        rows.append((name, of_arm, _by_task(of_arm, "dice"), _by_task(of_arm, "shifts")))
    rows.sort(key=lambda row: (-len(row[2]), -over_tasks(row[2]).mean))
    adjusted = corrected([over_tasks(row[2]) for row in rows])
    for (name, of_arm, home, away), p in zip(rows, adjusted, strict=True):
        cells = [_number(of_task(home[task])) if task in home else "" for task in present]
        collapses = [sum(bool(side["collapsed"]) for side in sides) for sides in zip(*of_arm, strict=True)]
        lines.append(
            f"| {name} | {' | '.join(cells)} | {_number(over_tasks(home))} | {_number(over_tasks(away))} | "
            f"{'' if math.isnan(p) else f'{p:.2g}'} | {collapses[0]}, {collapses[1]} | {len(of_arm)} |"
        )
    return lines


def _by_task(found: Sequence[tuple[Record, Record]], measure: str) -> dict[str, list[float]]:
    values: dict[str, list[float]] = defaultdict(list)
    for arm, baseline in found:
        values[arm["task"]].append(value(arm, measure) - value(baseline, measure))
    return dict(values)


def baselines(records: Sequence[Record]) -> list[str]:
    """Return what scratch reaches, and how often a class is never found."""
    lines = ["| task | patients | steps | rate | seeds | Dice | smallest to largest | under shift | collapsed |"]
    lines.append("|---|---|---|---|---|---|---|---|---|")
    groups: dict[tuple[str, Group], list[Record]] = defaultdict(list)
    for record in records:
        if is_scratch(record) and record["inner"] is None:
            groups[record["task"], _group(record)].append(record)
    for (task, (labelled, steps, rate)), own in sorted(groups.items()):
        scores = [value(r, "dice") for r in own]
        lines.append(
            f"| {task} | {labelled} | {steps} | {rate:g} | {len(own)} | {np.mean(scores):.1f} | {min(scores):.1f} to "
            f"{max(scores):.1f} | {np.mean([value(r, 'shifts') for r in own]):.1f} | "
            f"{sum(bool(r['collapsed']) for r in own)} |"
        )
    return lines


def power(records: Sequence[Record]) -> list[str]:
    """Return the smallest difference that can be seen with 80 % power, from the spread of all arms' differences.

    A task has a row of its own from four differences on; the first row pools all tasks.
    """
    header = " | ".join(f"{n} seeds" for n in _SEEDS_OF_POWER)
    lines = [f"| task | differences | {header} |", "|" + "---|" * (2 + len(_SEEDS_OF_POWER))]
    spread: dict[str, list[float]] = defaultdict(list)
    groups: dict[tuple[str, str, Group], list[float]] = defaultdict(list)
    for arm, baseline in pairs([r for r in records if r["inner"] is None]):
        groups[arm["task"], arm["name"], _group(arm)].append(value(arm, "dice") - value(baseline, "dice"))
    for (task, _, _), values in groups.items():
        # Deviations from each arm's own mean, scaled so that their mean square is the variance.
        if len(values) > 1:
            scale = math.sqrt(len(values) / (len(values) - 1))
            spread[task] += [scale * (v - float(np.mean(values))) for v in values]
    pooled = {"all tasks": [v for values in spread.values() for v in values]} if spread else {}
    for task, values in {**pooled, **dict(sorted((t, v) for t, v in spread.items() if len(v) > 3))}.items():
        cells = " | ".join(f"{visible(values, n):.1f}" for n in _SEEDS_OF_POWER)
        lines.append(f"| {task} | {len(values)} | {cells} |")
    return lines


def log(records: Sequence[Record]) -> list[str]:
    """Return a line for each arm, its length and the side of the split, with intervals over tasks."""
    lines = ["| arm | tasks | patients | steps | at home | under shift | pairs |", "|---|---|---|---|---|---|---|"]
    outer = [r for r in records if r["inner"] is None]
    for side, tasks in (("choosing", CHOOSING), ("confirming", CONFIRMING), ("across", ACROSS)):
        groups: dict[tuple[str, Group], list[tuple[Record, Record]]] = defaultdict(list)
        for arm, baseline in pairs([r for r in outer if r["task"] in tasks]):
            groups[arm["name"], _group(arm)].append((arm, baseline))
        for (name, (labelled, steps, _)), own in sorted(groups.items()):
            home, away = (
                of_task([float(np.mean(v)) for v in _by_task(own, measure).values()]) for measure in ("dice", "shifts")
            )
            told = f"{name} | {home.seeds} {side} | {labelled} | {steps} | {_number(home)} | {_number(away)}"
            lines.append(f"| {told} | {len(own)} |")
    return lines


def _fill(page: Path, lines: Sequence[str]) -> None:
    """Replace what is between the markers of a page."""
    before, _, rest = page.read_text().partition(BEGIN)
    write_text(page, "\n".join([before + BEGIN, "", *lines, "", END + rest.partition(END)[2]]))


def main() -> None:
    """Write the page from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    known = [r for r in Store(arguments.results).records() if r["protocol"] == PROTOCOL]
    records = [r for r in known if r["seed"] != PILOT_SEED]
    pilot = [r for r in known if r["seed"] == PILOT_SEED]
    lines = ["### What was aimed at", "", *verdicts(records, RATE), ""]
    lines += ["### Steps to what scratch reaches", "", *steps_to_plateau(records, PLATEAU_STEPS, RATE), ""]
    lines += [*tables(records, CHOOSING, "Choosing tasks"), *tables(records, CONFIRMING, "Confirming tasks")]
    lines += tables(records, ACROSS, "Another source")
    lines += tables(pilot, CHOOSING, "Pilot, a seed of its own")
    lines += ["### Choosing on inner folds", "", *inner_folds(records), ""]
    lines += ["### Scratch", "", *baselines(records), "", "### The plateau", "", *plateau(records), ""]
    lines += ["### Through nnU-Net itself", "", *agreement(records, CONFIRMED), ""]
    lines += ["### Voxels nearest to their own prototype, by stages of the encoder set to zero", "", *depth(DEPTH), ""]
    lines += ["### Fingerprints", "", *fingerprints(records, FINGERPRINT, "shift_always"), ""]
    lines += ["### What can be seen", "", *power(records), ""]
    figure = arguments.page.with_name("few_labels_curves.png")
    draw_curves(records, figure)
    _fill(arguments.page, lines)
    before = [
        line
        for protocol, why in EARLIER.items()
        for line in ("", f"{why}:", "", *log(Store(arguments.results / protocol).records()))
    ]
    _fill(arguments.page.with_name(LOG.name), [*log(known), *before])


if __name__ == "__main__":
    main()
