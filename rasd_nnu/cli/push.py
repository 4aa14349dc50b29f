"""``rasd_nnu push``: publish a checkpoint with a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of `rasd_nnu pretrain`.")],
    destination: Annotated[str, typer.Argument(help="hf://owner/name; made if it does not exist.")],
    private: Annotated[bool, typer.Option("--private", help="Make a new one readable for its owner only.")] = False,
) -> None:
    """Publish a checkpoint, with a model card made from its metadata. Log in first: `hf auth login`, or HF_TOKEN."""
    from rasd_nnu.checkpoints.hub import push_checkpoint

    typer.echo(f"published {push_checkpoint(checkpoint, destination, private=private)}")
