"""``rasd_nnu env``: the export lines that make nnU-Net find the trainers."""

from __future__ import annotations

import importlib.util
import os
import shlex
from pathlib import Path

import typer

#: nnU-Net's variable with the folders in which it looks for trainers outside of its package.
VARIABLE = "nnUNet_extTrainer"


def trainers_folder() -> Path:
    """Return the folder that belongs into ``nnUNet_extTrainer``."""
    spec = importlib.util.find_spec("rasd_nnu.trainers")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "nnunet_ext"


def extended_path(existing: str, folder: Path) -> str:
    """Return the value of ``nnUNet_extTrainer`` with ``folder`` first, other entries kept, none twice.

    Ours comes first because nnU-Net stops at an earlier entry that fails to import.
    """
    entries = [str(folder), *(entry for entry in existing.split(os.pathsep) if entry.strip())]
    return os.pathsep.join(dict.fromkeys(entries))


def command() -> None:
    """Print the lines that nnU-Net needs to find the trainers: eval "$(rasd_nnu env)"."""
    value = extended_path(os.environ.get(VARIABLE, ""), trainers_folder())
    typer.echo(f"export {VARIABLE}={shlex.quote(value)}")
    if not os.environ.get("RASD_CHECKPOINTS"):
        typer.echo("# Checkpoints lie in ~/.cache/rasd_nnu/checkpoints; RASD_CHECKPOINTS names another folder.")
    missing = [v for v in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results") if not os.environ.get(v)]
    for variable in missing:
        typer.echo(f"# Not set yet: export {variable}=/path/to/{variable}")
