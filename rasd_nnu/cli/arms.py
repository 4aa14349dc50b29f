"""``rasd_nnu arms``: other people's weights as arms of a comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Other people's weights as arms: add, list, remove.")


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Letters and digits; the trainer is RaSDTrainer_from<NAME>.")],
    checkpoint: Annotated[
        str,
        typer.Option("--checkpoint", help="The file, which stays where it is; or hf://owner/name/file, https://..."),
    ],
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="monai-btcv, voco, suprem, nnssl-resencl or anatomix; without it: a checkpoint of rasd_nnu, "
            "nnU-Net or nnssl, or a state dict with the network's own names.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an arm of this name.")] = False,
) -> None:
    """Register a checkpoint under a name, after reading it once."""
    from rasd_nnu.checkpoints.arms import add_arm

    arm = add_arm(name, checkpoint, format, overwrite=overwrite)
    typer.echo(f"arm {arm.name}: {arm.checkpoint} (format {arm.format or 'own'}, sha256 {arm.sha256[:12]})")
    typer.echo(f"train:   nnUNetv2_train DATASET CONFIGURATION FOLD -tr RaSDTrainer_from{arm.name}")
    typer.echo(f"compare: rasd_nnu compare DATASET -c CONFIGURATION --vs {arm.name}")


@app.command("list")
def list_arms(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the registered arms."""
    from dataclasses import asdict

    from rasd_nnu.checkpoints.arms import read_arms, registry_path

    arms = read_arms()
    if as_json:
        typer.echo(json.dumps([asdict(arm) for arm in arms.values()], indent=2))
        return
    for arm in arms.values():
        there = "" if Path(arm.checkpoint).is_file() else "  (file is gone)"
        typer.echo(f"{arm.name:<16}{arm.format or 'own':<16}{arm.sha256[:12]}  {arm.checkpoint}{there}")
    if not arms:
        typer.echo(f"no arms in {registry_path()}. Add one: rasd_nnu arms add NAME --checkpoint FILE --format FORMAT")


@app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="The arm to forget; its file stays.")]) -> None:
    """Forget an arm."""
    from rasd_nnu.checkpoints.arms import remove_arm

    remove_arm(name)
    typer.echo(f"arm {name} is no longer registered; its file is untouched")
