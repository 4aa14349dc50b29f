"""``rasd_nnu convert``: a checkpoint, fitted to a plan, for stock nnU-Net's ``-pretrained_weights``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rasd_nnu.cli.options import (
    ChannelsOption,
    FoldOption,
    InflateOption,
    RequireOption,
    TransferOption,
    WidthOption,
    refuse_existing,
)
from rasd_nnu.errors import printable


def command(
    checkpoint: Annotated[Path, typer.Argument(help="Pre-trained weights: ours, nnU-Net's or a state dict.")],
    dataset: Annotated[str, typer.Option("--dataset", help="Id or full name of the data set.")],
    configuration: Annotated[str, typer.Option("-c", "--configuration", help="Configuration, such as 3d_fullres.")],
    out: Annotated[Path, typer.Option("--out", help="File to write, *.pth.")],
    plans: Annotated[str, typer.Option("-p", "--plans", help="Plans name.")] = "nnUNetPlans",
    fold: FoldOption = None,
    require: RequireOption = None,
    transfer: TransferOption = None,
    width: WidthOption = None,
    inflate: InflateOption = None,
    channels: ChannelsOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Fit pre-trained weights to a plan, for `nnUNetv2_train -pretrained_weights` with nnU-Net's own trainer."""
    refuse_existing(out, overwrite)
    from rasd_nnu.checkpoints.read import open_source
    from rasd_nnu.nnunet.commands import shown, train
    from rasd_nnu.nnunet.plans import planned_target
    from rasd_nnu.transfer import FitOptions, StartOptions
    from rasd_nnu.workflows.convert import convert

    target = planned_target(dataset, configuration, plans)
    options = StartOptions(transfer, require, FitOptions(width, inflate, channels))
    report = convert(open_source(checkpoint), target, out, options, fold)
    weights = ["-pretrained_weights", str(out)]
    next_command = shown(train(target.dataset or "", configuration, fold or 0, plans=plans, more=weights))
    if as_json:
        typer.echo(json.dumps({"out": str(out), "train": next_command, **report.to_dict()}, indent=2))
        return
    typer.echo(printable(report.table()))
    left = sum(entry.action == "left" and entry.part != "head" for entry in report.entries)
    if left:
        typer.echo(f"{left} tensors have random values, as listed above.")
    typer.echo(f"wrote {out}\nnext: {next_command}")
