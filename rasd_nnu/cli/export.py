"""``rasd_nnu export``: a fine-tuned model for machines without this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def command(
    model: Annotated[str, typer.Argument(help="Folder of a trained model, or id or name of its data set.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write below; it serves as nnUNet_results.")],
    configuration: Annotated[
        str | None, typer.Option("-c", "--configuration", help="Configuration, where a data set is given.")
    ] = None,
    trainer: Annotated[str, typer.Option("-tr", "--trainer", help="Trainer.")] = "RaSDTrainer",
    plans: Annotated[str, typer.Option("-p", "--plans", help="Plans name.")] = "nnUNetPlans",
    folds: Annotated[
        list[str] | None, typer.Option("-f", "--fold", help="Fold; repeat, or 0,1,2. Default: all that are there.")
    ] = None,
    checkpoint: Annotated[str, typer.Option("-chk", help="Checkpoint of each fold.")] = "checkpoint_final.pth",
    stock: Annotated[
        bool,
        typer.Option("--stock-trainer", help="Name nnU-Net's own trainer, so that rasd_nnu is not needed to predict."),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write a fine-tuned model to a folder from which nnU-Net predicts; with --stock-trainer, without rasd_nnu."""
    from rasd_nnu.nnunet.commands import pack, predict, shown
    from rasd_nnu.nnunet.results import model_folder
    from rasd_nnu.workflows.export import export_model

    source = model_folder(model, trainer, plans, configuration)
    wanted = [fold.strip() for text in folds or [] for fold in text.split(",")]
    done = export_model(source, out, stock=stock, folds=wanted, checkpoint=checkpoint, overwrite=overwrite)
    model_name = (done.dataset, done.configuration, done.trainer, done.plans, done.folds)
    environment = {"nnUNet_results": str(out)}
    commands = {
        "predict": shown(predict(*model_name, "INPUT", "OUTPUT"), environment),
        "zip": shown(pack(*model_name, "model.zip"), environment),
    }
    if as_json:
        typer.echo(json.dumps({"folder": str(done.folder), "folds": done.folds, "commands": commands}, indent=2))
        return
    typer.echo(f"wrote {done.folder} (folds {', '.join(done.folds)}; trainer {done.trainer})")
    typer.echo(f"predict: {commands['predict']}\npack:    {commands['zip']}")
