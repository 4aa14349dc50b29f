"""``rasd_nnu predict``: classify a folder of images, or find boxes in them, with a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rasd_nnu.cli.options import chosen_device, refuse_existing


def command(
    model: Annotated[Path, typer.Argument(help="Folder of a fold that `rasd_nnu finetune` wrote.")],
    source: Annotated[Path, typer.Argument(help="Folder of images named <case>_0000.<ending>.")],
    out: Annotated[Path, typer.Argument(help="File to write: CSV of a classifier, JSON of a detector.")],
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Predict probabilities or boxes for all images of a folder; segmentation: nnUNetv2_predict."""
    refuse_existing(out, overwrite, "OUT")
    from rasd_nnu.workflows.predict import predict_folder

    count = predict_folder(model, source, out, chosen_device(device))
    typer.echo(f"{count} cases in {out}")
