"""Show a comparison, or several, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rasd_nnu.compare.collapse import about_collapse, lead
from rasd_nnu.compare.export import across_rows, entry_rows, rank_rows, without_constant
from rasd_nnu.compare.result import Comparison, PairedStatistics
from rasd_nnu.compare.scoring import DESCRIPTIONS
from rasd_nnu.compare.study import Study
from rasd_nnu.compare.verdict import ALPHA, about_margin, about_seeds, about_sizes, format_p

_SHOWN = 10  # lines of differences between recipes
_NAME_WIDTH = 20  # of the first column of a table, at least
_DISPENSABLE = ("mean A", "mean B", "p Wilcoxon", "P(A) / P(equal) / P(B)", "score", "B", "n")  # all are in --json


def print_study(study: Study, console: Console) -> None:
    """Print several comparisons: the sentence, a line each, what holds over the data sets, and the remarks of each."""
    if len(study.entries) == 1:
        print_comparison(study.entries[0].comparison, console)
    else:
        console.print(f"[bold]{escape(study.sentence)}[/bold]", highlight=False, soft_wrap=True)
        for title, (headers, rows) in (
            (f"Each comparison with {study.control}", entry_rows(study)),
            ("Over data sets", across_rows(study)),
            ("Mean ranks (1 is best)", rank_rows(study)),
        ):
            if rows:
                console.print(_fitting(title, headers, rows, console))
        for line in _study_remarks(study):
            console.print(escape(line), highlight=False, soft_wrap=True)
    for line in study.skipped:
        console.print(escape(f"Not compared: {line}."), highlight=False, soft_wrap=True)


def _study_remarks(study: Study) -> list[str]:
    """Return what has to be said of single comparisons; what holds of all of them once."""
    of_line: dict[str, list[str]] = {}
    for entry in study.entries:
        lines = [about_collapse(entry.comparison), *(f"Warning: {w}." for w in entry.comparison.warnings)]
        for line in filter(None, lines):
            of_line.setdefault(line, []).append(f"{entry.design.title}, {entry.comparison.names[0]}")
    found = []
    for line, names in of_line.items():
        found += [f"All comparisons: {line}"] if len(names) == len(study.entries) else [f"{n}: {line}" for n in names]
    return found


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print verdict, tables, warnings and remarks of a comparison.

    Args:
        comparison: What to show.
        console: Where to show it.
    """
    console.print(f"[bold]{escape(lead(comparison))}[/bold]", highlight=False, soft_wrap=True)
    console.print(_overall_table(comparison))
    if comparison.others:
        console.print(_statistics_table("Further scores", comparison.others, comparison))
    if comparison.labels:
        console.print(_statistics_table("Each label", comparison.labels, comparison))
    if comparison.false_positives:
        console.print(_false_positive_table(comparison))
    if comparison.seeds:
        console.print(_seed_table(comparison))
    if comparison.overall.crossed:
        console.print(_variance_table(comparison.overall))
    for line in remarks(comparison):
        console.print(escape(line), highlight=False, soft_wrap=True)


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


def _fitting(title: str, headers: Sequence[str], rows: list[list[str]], console: Console) -> Table:
    """Return a table that leaves room for its first column: less important columns go where it is too narrow."""
    said, (headers, rows) = without_constant((headers, rows))
    title = f"{title} ({said})" if said else title
    for column in ("", *_DISPENSABLE):
        kept = [i for i, name in enumerate(headers) if name != column]
        headers, rows = [headers[i] for i in kept], [[row[i] for i in kept] for row in rows]
        numbers = sum(max(len(str(line[i])) for line in (headers, *rows)) + 2 for i in range(1, len(headers)))
        if numbers + _NAME_WIDTH <= console.width:
            break
    return _table(title, headers, rows)


def _overall_table(comparison: Comparison) -> Table:
    title = f"{comparison.score} (A = {comparison.names[0]}, B = {comparison.names[1]})"
    if comparison.score == "Dice":
        title = "Dice per case (mean over its labels)"
    return _table(title, ("", "value"), overall_rows(comparison))


def overall_rows(comparison: Comparison) -> list[tuple[str, str]]:
    """Return name and value of everything that is said of the primary score."""
    result = comparison.overall
    n = f"{result.n_units}"
    if comparison.grouped:
        n += f" groups ({result.n_cases} cases)"
    rows = [
        *(
            (f"{name}, mean ± sd" if sd is not None else name, _mean(mean, sd))
            for name, mean, sd in (
                (comparison.names[0], result.mean_a, result.sd_a),
                (comparison.names[1], result.mean_b, result.sd_b),
            )
        ),
        ("difference [95 % CI]", _difference(result)),
        *_primary_rows(result),
        *_companion_rows(result),
        ("n", n),
    ]
    if result.wins is not None:
        rows.append(("wins / ties / losses", f"{result.wins} / {result.ties} / {result.losses}"))
    return [(name, value.removeprefix("= ")) for name, value in rows]


def _mean(mean: float, sd: float | None) -> str:
    return f"{mean:.4f}" if sd is None else f"{mean:.4f} ± {sd:.4f}"


def _primary_rows(result: PairedStatistics) -> list[tuple[str, str]]:
    crossed = result.crossed
    if crossed is not None:
        return [
            (f"p, {crossed.n_seeds} seeds x {crossed.n_patients} units crossed", format_p(crossed.test.p)),
            ("p, Hillis' degrees of freedom", format_p(crossed.hillis.p)),
            ("p, these very trainings", format_p(crossed.these_seeds.p)),
        ]
    if result.test is not None and result.smallest_p is not None:
        how = "exact" if result.test.exact else "Monte Carlo"
        smallest = format_p(result.smallest_p)
        if result.smallest_p >= ALPHA:
            smallest += f": cannot reach {ALPHA} with n = {result.n_units}"
        return [
            ("p, skewness-corrected sign-flip", format_p(result.p)),
            (f"p, plain permutation ({how})", format_p(result.test.p_signflip)),
            ("smallest p that n can reach", smallest),
        ]
    return [("p, DeLong" if result.method == "delong" else "p, bootstrap", format_p(result.p))]


def _companion_rows(result: PairedStatistics) -> list[tuple[str, str]]:
    rows = []
    if result.pigeonhole:
        interval = result.pigeonhole.interval
        rows.append(("95 % CI, two-way bootstrap", f"[{interval.low:+.4f}, {interval.high:+.4f}]"))
    if result.whole:
        rows.append(("p, stratified bootstrap", format_p(result.whole.p)))
    if result.wilcoxon:
        rows.append(("p, Wilcoxon signed-rank", format_p(result.wilcoxon.p)))
        rows.append(("rank-biserial correlation", f"{result.wilcoxon.rank_biserial:+.3f}"))
    if result.effects:
        e = result.effects
        shift = f"[{e.hodges_lehmann_interval.low:+.4f}, {e.hodges_lehmann_interval.high:+.4f}]"
        rows.append(("Hodges-Lehmann [95 % CI]", f"{e.hodges_lehmann:+.4f} {shift}"))
        rows.append(("probability of improvement", f"{e.probability_of_improvement:.2f}"))
    return rows


def _difference(result: PairedStatistics) -> str:
    return f"{result.difference:+.4f} [{result.interval.low:+.4f}, {result.interval.high:+.4f}]"


def _statistics_table(title: str, found: dict[str, PairedStatistics], comparison: Comparison) -> Table:
    title = f"{title} (A = {comparison.names[0]}, B = {comparison.names[1]})"
    return _table(title, *statistics_rows(found, comparison))


def statistics_rows(found: dict[str, PairedStatistics], comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of several scores, or of each label."""
    rows = []
    corrected = any(result.p_holm is not None for result in found.values())
    for label, result in found.items():
        name = f"{label} {comparison.label_names.get(label, '')}".strip()
        name += " (lower is better)" if result.better == "lower" else ""
        cells = [name, str(result.n_units), f"{result.mean_a:.4f}", f"{result.mean_b:.4f}", _difference(result)]
        cells.append(format_p(result.p))
        if corrected:
            cells.append(format_p(result.p_holm if result.p_holm is not None else result.p))
        rows.append([str(cell).removeprefix("= ") for cell in cells])
    headers = ["", "n", "A", "B", "A - B [95 % CI]", "p", *(["p Holm"] if corrected else [])]
    return headers, rows


def _false_positive_table(comparison: Comparison) -> Table:
    return _table("False positives in cases whose reference lacks the label", *false_positive_rows(comparison))


def false_positive_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return headers and rows of what is predicted where the reference lacks it."""
    rows = [
        [
            f"{fp.label} {comparison.label_names.get(fp.label, '')}".strip(),
            str(fp.n_cases),
            f"{fp.share_a:.0%}",
            f"{fp.share_b:.0%}",
            f"{fp.voxels_a:.1f}",
            f"{fp.voxels_b:.1f}",
        ]
        for fp in comparison.false_positives
    ]
    return ["label", "cases", "A: cases", "B: cases", "A: voxels", "B: voxels"], rows


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
    return _table("Mean of each seed", ("seed", "A", "B", "A - B"), rows)


def variance_rows(result: PairedStatistics) -> list[tuple[str, float, float]]:
    """Return source, variance of one difference, and its part of the variance of the mean difference."""
    assert result.crossed is not None
    parts = result.crossed.components
    s, n = parts.n_seeds, parts.n_patients
    return [
        ("seed", parts.seed, max(parts.seed, 0.0) / s),
        ("patient", parts.patient, max(parts.patient, 0.0) / n),
        ("seed x patient, noise", parts.residual, max(parts.residual, 0.0) / (s * n)),
    ]


def _variance_table(result: PairedStatistics) -> Table:
    found = variance_rows(result)
    total = sum(part for _, _, part in found)
    rows = [(name, f"{value:.3g}", f"{part / total:.0%}" if total else "-") for name, value, part in found]
    headers = ("source", "variance", "of the mean's")
    return _table("Variance of the difference A - B", headers, rows)


def remarks(comparison: Comparison) -> list[str]:
    """Return what has to be said beside the numbers, one line each."""
    described = DESCRIPTIONS.get(comparison.nan_rule)
    lines = [about_seeds(comparison), about_sizes(comparison), about_margin(comparison)]
    lines.append(f"NaN rule: {comparison.nan_rule}" + (f" ({described})." if described else "."))
    result = comparison.overall
    notes = dict.fromkeys(note for note in (result.interval.note, result.note) if note)
    lines += [f"Note: {note}." for note in notes]
    dropped = len(comparison.rows) - result.n_cases
    if dropped > 0 and comparison.kind == "segmentation":
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
    return [line for line in lines if line]
