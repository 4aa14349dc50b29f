"""``rasd_nnu choose``: which arm for this data set, by inner folds of its own training cases."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from rasd_nnu.cli.options import chosen_device, parse_duration


def command(
    dataset: Annotated[str, typer.Argument(help="Id or full name of a data set that nnU-Net has preprocessed.")],
    configuration: Annotated[str, typer.Option("-c", "--configuration", help="Configuration, such as 2d.")],
    plans: Annotated[str, typer.Option("-p", "--plans", help="Plans name.")] = "nnUNetPlans",
    fold: Annotated[int, typer.Option("-f", "--fold", help="Fold whose training cases are used.")] = 0,
    budget: Annotated[str, typer.Option(help="Time for everything, as 20m or 1h.")] = "20m",
    arms: Annotated[
        str | None, typer.Option(help="Arms to choose between, as scratch,shift,convolution,start,start+shift.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Inner folds, at most one a patient.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each arm on each inner fold.")] = 1,
    iterations: Annotated[
        int | None, typer.Option(min=2, help="Length of each training, in place of what fits into the budget.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Choose between scratch, start, mixing and both, from the training cases of a fold alone.

    Short trainings on inner folds by patient, within a time budget; `-tr RaSDTrainer_auto` then uses the choice.
    """
    from rasd_nnu.nnunet.env import require_nnunet
    from rasd_nnu.workflows.choose.run import ChooseSettings, choose

    require_nnunet()
    device = chosen_device(device)
    settings = ChooseSettings(
        budget_s=parse_duration(budget, "--budget"),
        arms=tuple(arms.split(",")) if arms else None,
        folds=folds,
        seeds=seeds,
        iterations=iterations,
        device=device,
    )
    chosen = choose(
        dataset, configuration, plans=plans, fold=fold, settings=settings, tell=lambda text: typer.echo(text, err=True)
    )
    if as_json:
        content = {"file": str(chosen.path), "commands": chosen.commands, **chosen.choice.model_dump(mode="json")}
        typer.echo(json.dumps(content, indent=2))
        return
    typer.echo(f"{'arm':<14}{'Dice':>7}{'gain':>8}{'error':>8}{'p':>8}")
    for arm in chosen.arms:
        p = "" if arm.p is None else f"{arm.p:.3f}"
        typer.echo(f"{arm.name:<14}{arm.dice:>7.3f}{arm.gain:>+8.3f}{arm.error:>8.3f}{p:>8}")
    for note in chosen.notes:
        typer.echo(f"note: {note}")
    typer.echo(chosen.choice.reason)
    typer.echo(f"wrote {chosen.path}\nnext:")
    for line in chosen.commands:
        typer.echo(f"  {line}")
