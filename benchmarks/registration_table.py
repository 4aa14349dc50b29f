"""Write the tables of docs/evidence/registration.md from benchmarks/results/registration.json.

python benchmarks/registration_table.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from rasd_nnu.files import write_text
from rasd_nnu.stats import holm, mean_test

ROOT = Path(__file__).parent
PAGE = ROOT.parent / "docs/evidence/registration.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
TITLES = {
    "start": "centres together, no registration",
    "intensity": "intensities (NCC)",
    "mind": "MIND-SSC",
    "untrained": "network, untrained",
    "prototypes": "network, prototypes (RaSD)",
    "contrastive": "network, contrastive (as anatomix)",
}
Rows = Sequence[Mapping[str, Any]]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table, all columns but the first to the right."""
    return [
        f"| {' | '.join(head)} |",
        f"|---|{'--:|' * (len(head) - 1)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def over_labels(rows: Rows, score: str) -> list[float]:
    """Return the mean over labels of each pair."""
    return [mean(row[score].values()) for row in rows]


def methods_table(of_method: Mapping[str, Rows], chosen: Mapping[str, Any]) -> list[str]:
    """Return one line for each method."""
    lines = []
    for name, rows in of_method.items():
        dice, labels = over_labels(rows, "dice"), list(rows[0]["dice"])
        moved = "folded" in rows[0]
        lines.append(
            [
                TITLES.get(name, name),
                f"{100 * mean(dice):.1f}",
                *(f"{100 * mean(row['dice'][label] for row in rows):.1f}" for label in labels),
                f"{100 * min(dice):.1f}",
                f"{mean(over_labels(rows, 'hd95')):.2f}",
                f"{100 * mean(row['folded'] for row in rows):.2f}" if moved else "",
                f"{chosen[name]['weight']:g}" if moved else "",
            ]
        )
    head = ["compared", "Dice %", "anterior", "posterior", "worst pair", "HD95 mm", "folded %", "smoothness"]
    return table(head, lines)


def differences_table(of_method: Mapping[str, Rows], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return paired differences in Dice points, with Holm's correction over all of them."""
    tests = []
    for a, b in pairs:
        first, second = (over_labels(of_method[name], "dice") for name in (a, b))
        tests.append(mean_test([100 * (x - y) for x, y in zip(first, second, strict=True)]))
    adjusted = holm([test.p for test in tests])
    lines = [
        [
            f"{TITLES.get(a, a)} against {TITLES.get(b, b)}",
            f"{test.mean:+.1f}",
            f"{test.interval.low:+.1f} to {test.interval.high:+.1f}",
            f"{test.p:.2g}",
            f"{corrected:.2g}",
        ]
        for (a, b), test, corrected in zip(pairs, tests, adjusted, strict=True)
    ]
    return table(["difference in Dice", "points", "95 %", "p", "p (Holm)"], lines)


def main() -> None:
    """Replace what is between the markers."""
    content = json.loads((ROOT / "results/registration.json").read_text())
    of_method: dict[str, list[Mapping[str, Any]]] = {}
    for row in content["rows"]:
        of_method.setdefault(row["method"], []).append(row)
    networks = list(content["checkpoints"])
    pairs = [(name, other) for name in networks for other in ("mind", "intensity", "untrained")]
    pairs += [(networks[0], other) for other in networks[1:]] + [("untrained", "intensity")]
    made = [
        f"{TITLES.get(name, name)}: {c['iterations']} iterations, {c['samples_seen']} synthetic samples, preset "
        f"`{c['synthesis']}`, {c['seconds']:.0f} s"
        for name, c in content["checkpoints"].items()
    ]
    count = len(next(iter(of_method.values())))
    lines = [
        f"{count} pairs of different patients, each patient in one pair. {'; '.join(made)}.",
        "",
        *methods_table(of_method, content["chosen"]),
        "",
        *differences_table(of_method, pairs),
    ]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    write_text(PAGE, "\n".join([before + BEGIN, "", *lines, "", END + rest.partition(END)[2]]))


if __name__ == "__main__":
    main()
