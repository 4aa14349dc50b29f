"""``rasd_nnu env``: the export lines that make nnU-Net find the trainers."""

from __future__ import annotations

import os
import shlex

import typer

from rasd_nnu.nnunet.env import EXTERNAL_TRAINERS, NNUNET_FOLDERS, extended_path, trainers_folder


def command() -> None:
    """Print the lines that nnU-Net needs to find the trainers: eval "$(rasd_nnu env)"."""
    value = extended_path(os.environ.get(EXTERNAL_TRAINERS, ""), trainers_folder())
    typer.echo(f"export {EXTERNAL_TRAINERS}={shlex.quote(value)}")
    if not os.environ.get("RASD_CHECKPOINTS"):
        typer.echo("# Checkpoints lie in ~/.cache/rasd_nnu/checkpoints; RASD_CHECKPOINTS names another folder.")
    missing = [v for v in NNUNET_FOLDERS if not os.environ.get(v)]
    for variable in missing:
        typer.echo(f"# Not set yet: export {variable}=/path/to/{variable}")
