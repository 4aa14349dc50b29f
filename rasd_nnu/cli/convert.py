"""``rasd_nnu convert``: a checkpoint, fitted to a plan, for stock nnU-Net's ``-pretrained_weights``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer

from rasd_nnu.cli.options import ChannelsOption, InflateOption, WidthOption, refuse_existing


def command(
    checkpoint: Annotated[Path, typer.Argument(help="Pre-trained weights: ours, nnU-Net's or a state dict.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Id or full name of the data set.")],
    configuration: Annotated[str, typer.Option("-c", "--configuration", help="Configuration, such as 3d_fullres.")],
    out: Annotated[Path, typer.Option("--out", help="File to write, *.pth.")],
    plans: Annotated[str, typer.Option("-p", "--plans", help="Plans name.")] = "nnUNetPlans",
    require: Annotated[
        float | None,
        typer.Option(
            "--require",
            min=0,
            max=1,
            help="Least share of the parameters that must fit. Default: all, or 0.7 of "
            "the encoder where the checkpoint is of another network.",
        ),
    ] = None,
    transfer: Annotated[
        Literal["whole", "encoder"] | None,
        typer.Option("--transfer", help="What to carry; without it the encoder of ours, the whole of others."),
    ] = None,
    width: WidthOption = None,
    inflate: InflateOption = None,
    channels: ChannelsOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Fit pre-trained weights to a plan, for `nnUNetv2_train -pretrained_weights` with nnU-Net's own trainer."""
    refuse_existing(out, overwrite)
    from rasd_nnu.nnunet import planned_target
    from rasd_nnu.transfer import FitOptions, open_source
    from rasd_nnu.transfer.convert import convert

    target = planned_target(dataset, configuration, plans)
    options = FitOptions(width, inflate, channels)
    report = convert(open_source(checkpoint), target, out, require=require, transfer=transfer, options=options)
    number = int((target.dataset or "")[7:10])
    named = "" if plans == "nnUNetPlans" else f" -p {plans}"
    train = f"nnUNetv2_train {number} {configuration} 0{named} -pretrained_weights {shlex.quote(str(out))}"
    if as_json:
        typer.echo(json.dumps({"out": str(out), "train": train, **report.to_dict()}, indent=2))
        return
    typer.echo(report.table())
    left = sum(entry.action == "left" and entry.part != "head" for entry in report.entries)
    if left:
        typer.echo(f"{left} tensors have random values, as listed above.")
    typer.echo(f"wrote {out}\nnext: {train}")
