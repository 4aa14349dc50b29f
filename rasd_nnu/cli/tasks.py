"""``rasd_nnu tasks``: list, show and prepare the dataset specs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rasd_nnu.dataset_specs.source import SourceCase

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The dataset specs: list, show, prepare.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Key = Annotated[str, typer.Argument(help="Key, id or DatasetNNN_Name of a task.", show_default=False)]


@app.command("list")
def list_tasks(as_json: AsJson = False) -> None:
    """List all tasks."""
    import json

    from rasd_nnu.dataset_specs.registry import list_specs

    fields = {"key", "id", "title", "modality", "dims", "task", "access", "licence"}
    rows = [spec.model_dump(mode="json", include=fields) for spec in list_specs()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    width = max(len(row["key"]) for row in rows)
    for row in rows:
        kind = f"{row['modality']} {row['dims']}D {row['task']}"
        typer.echo(f"{row['id']:>4}  {row['key']:<{width}}  {kind:<24}  {row['access']:<12}  {row['title']}")


@app.command("show")
def show_task(key: Key, as_json: AsJson = False) -> None:
    """Print all that the spec of a task holds."""
    import json

    import yaml

    from rasd_nnu.dataset_specs.registry import get_spec

    content = get_spec(key).model_dump(mode="json", exclude_none=True)
    if as_json:
        typer.echo(json.dumps(content, indent=2))
        return
    filled = {name: value for name, value in content.items() if value not in ([], {})}
    typer.echo(yaml.safe_dump(filled, sort_keys=False, allow_unicode=True, width=110).rstrip())


@app.command("prepare")
def prepare_task(
    key: Key,
    source: Annotated[
        Path | None,
        typer.Option(
            help="Unpacked official release; default: under RASD_DATA, else it is downloaded.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing data set.")] = False,
) -> None:
    """Turn an official release into nnU-Net's raw format, in the folder that nnUNet_raw names."""
    from rasd_nnu.dataset_specs.locations import raw_folder
    from rasd_nnu.dataset_specs.prepare import prepare
    from rasd_nnu.dataset_specs.registry import get_spec
    from rasd_nnu.nnunet.commands import plan, shown

    spec = get_spec(key)
    prepared = prepare(spec, source, raw_folder(), overwrite, track=_progress)
    typer.echo(f"{spec.dataset_name}: {len(prepared.cases)} cases in {prepared.path}")
    for warning in prepared.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"licence: {spec.licence}; cite: {spec.citation[0]}")
    typer.echo(f"next: {shown(plan(spec.dataset_name))}")


def _progress(cases: Sequence[SourceCase], description: str) -> Iterable[SourceCase]:
    """Show a progress bar on stderr, so that stdout holds the result only."""
    from rich.console import Console
    from rich.progress import track

    return track(cases, description, console=Console(stderr=True), transient=True)
