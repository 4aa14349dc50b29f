"""``rasd_nnu plan``: plans that follow a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from rasd_nnu.cli.options import parse_numbers


def command(
    dataset: Annotated[str, typer.Argument(help="Id or full name of a data set that nnU-Net has planned.")],
    like: Annotated[Path, typer.Option("--like", help="Checkpoint of `rasd_nnu pretrain` or of nnU-Net.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the new plans. Default: rasdPlans_<checkpoint>.")
    ] = None,
    base: Annotated[
        str, typer.Option("-p", "--plans", help="Plans to take from what the data decide.")
    ] = "nnUNetPlans",
    patch: Annotated[str | None, typer.Option("--patch", help="Another patch than the checkpoint's: 64,64,64.")] = None,
    spacing: Annotated[
        Literal["auto", "planned", "checkpoint"],
        typer.Option(
            "--spacing", help="Whose voxel size: 'auto' takes the checkpoint's if it was made for a data set."
        ),
    ] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace plans of this name.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write plans with the network and patch of a checkpoint, so that all of it can be used; print what to run next."""
    from rasd_nnu.checkpoints.read import open_source
    from rasd_nnu.workflows.plan_like import plan_like

    result = plan_like(
        dataset,
        open_source(like),
        name=name,
        base=base,
        patch_size=parse_numbers(patch, "--patch") if patch else None,
        spacing=spacing,
        overwrite=overwrite,
    )
    if as_json:
        content = {"file": str(result.file), "configuration": result.configuration}
        typer.echo(json.dumps({**content, "commands": result.commands, "notes": result.notes}, indent=2))
        return
    typer.echo(f"wrote {result.file}")
    for note in result.notes:
        typer.echo(f"  {note}")
    typer.echo("next:")
    for line in result.commands:
        typer.echo(f"  {line}")
