"""``rasd_nnu compare``: paired comparison of arms."""

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
    json_file: Annotated[str | None, typer.Option("--json", help="Write everything here; - prints it.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the paired cases here.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write tables as Markdown here.")] = None,
    latex_file: Annotated[Path | None, typer.Option("--latex", help="Write tables for booktabs here.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Compare arms case by case: difference, interval, p-values, and what n allows to say.

    Data sets with -c, or --all, look in nnUNet_results; --study reads a study; --a and --b name records.
    """
    options = dict(locals())
    outputs = {name: options.pop(f"{name}_file") for name in ("json", "csv", "markdown", "latex")}
    del options["overwrite"]

    from rich.console import Console

    from rasd_nnu.compare import export
    from rasd_nnu.compare.render import print_study
    from rasd_nnu.files import write_text
    from rasd_nnu.workflows.selection import run_selection

    prints_json = outputs["json"] == "-"
    files = {name: Path(path) for name, path in outputs.items() if path is not None and path != "-"}
    export.check_writable(files.values(), overwrite)
    found = run_selection(o.selection(options), files.values())
    # One comparison is written as such; several as a study.
    plain = found.entries[0].comparison if len(found.entries) == 1 and not found.skipped else found
    write = {
        "json": lambda: export.to_json(plain),
        "csv": lambda: export.to_csv(plain),
        "markdown": lambda: export.to_markdown(found),
        "latex": lambda: export.to_latex(found),
    }
    for name, path in files.items():
        write_text(path, write[name]())
    if prints_json:
        typer.echo(export.to_json(plain), nl=False)
    else:
        print_study(found, Console())
