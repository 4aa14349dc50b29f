"""``rasd_nnu report``: a comparison as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rasd_nnu.cli import compare_options as o


def command(
    datasets: o.Datasets = None,
    configurations: o.Configuration = None,
    plans: o.Plans = "nnUNetPlans",
    trainer: o.Trainer = "RaSDTrainer",
    vs: o.Vs = "scratch",
    arms: o.Arms = None,
    folds: o.Folds = None,
    seeds: o.Seeds = "",
    tasks: o.Tasks = None,
    everything: o.Everything = False,
    study: o.StudyFolder = None,
    predictions: o.Predictions = None,
    a: o.RecordsA = None,
    b: o.RecordsB = None,
    name_a: o.NameA = None,
    name_b: o.NameB = None,
    groups: o.Groups = None,
    nan_rule: o.NanRuleName = "reference",
    metrics: o.Metrics = None,
    tolerance_mm: o.Tolerance = 2.0,
    allow_unmatched: o.AllowUnmatched = False,
    allow_recipe_diff: o.AllowRecipeDiff = False,
    margin: o.Margin = None,
    detect: o.Detect = None,
    rope: o.Rope = 0.01,
    seed: o.Seed = 0,
    workers: o.Workers = 2,
    out: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("report.html"),
    title: Annotated[str | None, typer.Option("--title", help="Title of the page.")] = None,
    details: Annotated[int, typer.Option("--details", min=0, help="Most comparisons with pictures and curves.")] = 6,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a page that exists.")] = False,
) -> None:
    """Write a comparison as one self-contained HTML page, with plots, pictures and what is behind it.

    Takes what `rasd_nnu compare` takes. The page needs no network; it is light, dark and printable.
    """
    options = {name: value for name, value in locals().items() if name not in ("out", "title", "details", "overwrite")}

    from rasd_nnu.compare.export import check_writable
    from rasd_nnu.workflows.report import write_report
    from rasd_nnu.workflows.selection import run_selection

    check_writable([out], overwrite)
    found = run_selection(o.selection(options))
    several = f"{len(found.entries)} comparisons with {found.control}" if len(found.entries) > 1 else ""
    write_report(out, found, title or several or found.entries[0].design.title, details)
    typer.echo(found.sentence)
    typer.echo(f"page: {out}")
