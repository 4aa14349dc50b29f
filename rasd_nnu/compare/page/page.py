"""Put a study and its details into the template."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from rasd_nnu import __version__
from rasd_nnu.compare import export, render
from rasd_nnu.compare.collapse import lead
from rasd_nnu.compare.design import Entry
from rasd_nnu.compare.methods import methods_paragraph
from rasd_nnu.compare.page import charts
from rasd_nnu.compare.page.content import Details, Picture
from rasd_nnu.compare.result import Comparison
from rasd_nnu.compare.study import Study

_MOST_LABEL_COLUMNS = 6


def render_page(study: Study, details: Mapping[int, Details], title: str) -> str:
    """Return the page: one HTML document that needs nothing from elsewhere.

    Args:
        study: The comparisons.
        details: Number of the comparison -> what is known beside its records.
        title: Title of the page.
    """
    empty = Details()
    return _template().render(
        title=title,
        version=__version__,
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        study=study,
        several=len(study.entries) > 1,
        forest=charts.forest(study),
        entry_table=export.without_constant(export.entry_rows(study)),
        across_table=export.without_constant(export.across_rows(study)),
        rank_table=export.rank_rows(study),
        rank_charts=[charts.critical_difference(ranking) for ranking in study.rankings],
        methods=methods_paragraph(study),
        entries=[_entry(i, entry, details.get(i, empty)) for i, entry in enumerate(study.entries)],
    )


@cache
def _template() -> jinja2.Template:
    folder = files("rasd_nnu.compare.page")

    def load(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.globals["style"] = Markup(load("page.css"))  # ours, no input in it
    environment.globals["script"] = Markup(load("page.js"))
    environment.filters["embedded"] = _embedded
    return environment.get_template("page.html")


def _embedded(picture: Picture) -> str:
    return f"data:{picture.mime};base64,{base64.b64encode(picture.data).decode()}"


def _entry(number: int, entry: Entry, details: Details) -> dict[str, Any]:
    """Return what the template shows of one comparison."""
    comparison = entry.comparison
    return {
        "id": f"comparison-{number}",
        "title": entry.design.title,
        "comparison": comparison,
        "details": details,
        "lead": lead(comparison),
        "overall": render.overall_rows(comparison),
        "remarks": [(line, line.startswith("Warning")) for line in render.remarks(comparison)],
        "tables": [table for table in _tables(comparison) if table[2]],
        "slopes": charts.slopes(comparison),
        "differences": charts.differences(comparison),
        "seeds": charts.seeds(comparison) if len(comparison.seeds) > 1 else "",
        "variance": _variance(comparison) if comparison.overall.crossed else "",
        "cases": _case_table(comparison),
        "losses": charts.lines(details.losses, "Loss of both arms", "epoch"),
        "losses_caption": "Training loss (dashed) and validation loss of each epoch."
        if any(line.dashed for line in details.losses)
        else "Mean training loss of each epoch.",
        "dice": charts.lines(details.dice, "Pseudo Dice of both arms", "epoch"),
        "pretraining": [
            {
                "content": run,
                "losses": charts.lines(run.losses, "Losses of the pre-training", "iteration", log=True),
                "accuracy": charts.lines(run.accuracy, "Accuracy", "iteration"),
            }
            for run in details.pretraining
        ],
    }


def _variance(comparison: Comparison) -> Markup:
    rows = [(name, part) for name, _, part in render.variance_rows(comparison.overall)]
    return charts.bars(rows, "Where the variance of the mean difference comes from")


def _tables(comparison: Comparison) -> list[tuple[str, list[str], list[list[str]]]]:
    """Return title, headers and rows of the tables of scores."""
    found = []
    for title, statistics in (("Further scores", comparison.others), ("Each label", comparison.labels)):
        headers, rows = render.statistics_rows(statistics, comparison)
        found.append((title, headers, rows))
    headers, rows = render.false_positive_rows(comparison)
    found.append(("False positives in cases whose reference lacks the label", headers, rows))
    return found


def _case_table(comparison: Comparison) -> dict[str, Any]:
    """Return headers and rows of the table of cases; a cell is its text and the value to sort it by."""
    labels = list(comparison.rows[0].labels_a)
    several = 1 < len(labels) <= _MOST_LABEL_COLUMNS
    grouped = comparison.grouped
    named = [f"{label} {comparison.label_names.get(label, '')}".strip() for label in labels] if several else []
    headers = ["case", *(["group"] if grouped else []), "A", "B", "A - B", *(f"A - B: {name}" for name in named)]
    rows = []
    ordered = sorted(comparison.rows, key=lambda r: (math.isnan(r.a), r.difference if not math.isnan(r.a) else 0))
    for row in ordered:
        cells: list[tuple[str, str | float]] = [(row.case, row.case)]
        cells += [(row.group or "", row.group or "")] if grouped else []
        cells += [_cell(row.a), _cell(row.b), _cell(row.difference, signed=True)]
        if several:
            cells += [_cell(row.labels_a[label] - row.labels_b[label], signed=True) for label in labels]
        rows.append(cells)
    return {"headers": headers, "rows": rows, "texts": 2 if grouped else 1}


def _cell(value: float, signed: bool = False) -> tuple[str, str | float]:
    """Return text and sorting value of a number; what does not count is sorted last."""
    if math.isnan(value):
        return "-", "nan"
    return (f"{value:+.4f}" if signed else f"{value:.4f}"), value
