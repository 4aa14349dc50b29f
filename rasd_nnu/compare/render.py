"""Show a comparison on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rasd_nnu.compare.result import Comparison, PairedStatistics
from rasd_nnu.compare.scoring import DESCRIPTIONS
from rasd_nnu.compare.verdict import ALPHA, format_p

_SHOWN = 10  # lines of differences between recipes


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print tables, warnings and verdict of a comparison.

    Args:
        comparison: What to show.
        console: Where to show it.
    """
    console.print(_overall_table(comparison))
    if comparison.labels:
        console.print(_label_table(comparison))
    if comparison.false_positives:
        console.print(_false_positive_table(comparison))
    if comparison.seeds:
        console.print(_seed_table(comparison))
    for line in _remarks(comparison):
        console.print(escape(line), highlight=False, soft_wrap=True)
    console.print(f"[bold]{escape(comparison.verdict)}[/bold]", highlight=False, soft_wrap=True)


def _unit(comparison: Comparison) -> str:
    return "groups" if comparison.grouped else "cases"


def _table(title: str, headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    narrow: dict[str, Any] = {"box": box.SIMPLE_HEAD, "collapse_padding": True, "pad_edge": False}
    table = Table(title=escape(title), title_justify="left", title_style="bold", **narrow)
    for i, header in enumerate(headers):
        # A name may be folded to fit the terminal; a number may not be cut in two.
        table.add_column(escape(header), justify="right" if i else "left", overflow="fold", no_wrap=i > 0)
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    return table


def _overall_table(comparison: Comparison) -> Table:
    result = comparison.overall
    a, b = comparison.names
    n = f"{result.n_units}"
    if comparison.grouped:
        n += f" groups ({result.n_cases} cases)"
    how = "exact" if result.signflip.exact else "Monte Carlo"
    smallest = f"{format_p(result.signflip.smallest_p)}"
    if result.signflip.smallest_p >= ALPHA:
        smallest += f": cannot reach {ALPHA} with n = {result.n_units}"
    rows = [
        (f"{a}, mean ± sd", f"{result.mean_a:.4f} ± {result.sd_a:.4f}"),
        (f"{b}, mean ± sd", f"{result.mean_b:.4f} ± {result.sd_b:.4f}"),
        ("difference [95 % bootstrap CI]", _difference(result)),
        (f"p, permutation ({how})", format_p(result.signflip.p)),
        ("p, Wilcoxon signed-rank", format_p(result.wilcoxon.p)),
        ("rank-biserial correlation", f"{result.wilcoxon.rank_biserial:+.3f}"),
        ("smallest p that n can reach", smallest),
        ("n", n),
        ("wins / ties / losses", f"{result.wins} / {result.ties} / {result.losses}"),
    ]
    title = f"{comparison.score} per case (mean over its labels)"
    return _table(title, ("", "value"), [(k, v.removeprefix("= ")) for k, v in rows])


def _difference(result: PairedStatistics) -> str:
    return f"{result.difference:+.4f} [{result.interval.low:+.4f}, {result.interval.high:+.4f}]"


def _label_table(comparison: Comparison) -> Table:
    rows = []
    for label, result in comparison.labels.items():
        p, adjusted = format_p(result.signflip.p), format_p(result.p_holm if result.p_holm is not None else 1.0)
        means = f"{result.mean_a:.4f}", f"{result.mean_b:.4f}"
        name = f"{label} {comparison.label_names.get(label, '')}".strip()
        cells = (name, result.n_units, *means, _difference(result), p, adjusted)
        rows.append([str(cell).removeprefix("= ") for cell in cells])
    headers = ("label", "n", "A", "B", "A - B [95 % CI]", "p", "p Holm")
    return _table(f"Each label (A = {comparison.names[0]}, B = {comparison.names[1]})", headers, rows)


def _false_positive_table(comparison: Comparison) -> Table:
    rows = [
        (
            f"{fp.label} {comparison.label_names.get(fp.label, '')}".strip(),
            fp.n_cases,
            f"{fp.share_a:.0%}",
            f"{fp.share_b:.0%}",
            f"{fp.voxels_a:.1f}",
            f"{fp.voxels_b:.1f}",
        )
        for fp in comparison.false_positives
    ]
    headers = ("label", "cases", "A: cases", "B: cases", "A: voxels", "B: voxels")
    return _table("False positives in cases whose reference lacks the label", headers, rows)


def _seed_table(comparison: Comparison) -> Table:
    columns = [[s.a for s in comparison.seeds], [s.b for s in comparison.seeds]]
    both = [s.a - s.b if s.a is not None and s.b is not None else None for s in comparison.seeds]
    columns.append(both)
    formats = ("{:.4f}", "{:.4f}", "{:+.4f}")
    rows: list[list[Any]] = [
        [s.seed, *("-" if c[i] is None else f.format(c[i]) for c, f in zip(columns, formats, strict=True))]
        for i, s in enumerate(comparison.seeds)
    ]
    known = [[v for v in column if v is not None] for column in columns]
    rows.append(["sd over seeds", *(f"{np.std(v, ddof=1):.4f}" if len(v) > 1 else "-" for v in known)])
    return _table("Mean of each seed (averaged before testing)", ("seed", "A", "B", "A - B"), rows)


def _remarks(comparison: Comparison) -> list[str]:
    lines = [f"NaN rule: {comparison.nan_rule} ({DESCRIPTIONS[comparison.nan_rule]})."]
    lines.append(
        f"The p-values and the interval cover the choice of {_unit(comparison)}, not that of the training seed."
    )
    if comparison.overall.interval.note:
        lines.append(f"Interval: {comparison.overall.interval.note}.")
    dropped = len(comparison.rows) - comparison.overall.n_cases
    if dropped:
        lines.append(f"{dropped} cases whose reference has no label do not count.")
    lines += [
        f"{arm}: {share:.1%} of the parameters (segmentation heads apart) pre-trained."
        for arm, share in comparison.transfer.items()
    ]
    lines += [f"Warning: {line}." for line in comparison.warnings]
    differences = comparison.recipe_differences
    lines += [f"Recipe differs in {line}" for line in differences[:_SHOWN]]
    if len(differences) > _SHOWN:
        lines.append(f"... and in {len(differences) - _SHOWN} more (all of them with --json).")
    return lines
