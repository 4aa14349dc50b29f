"""``rasd_nnu finetune``: train one arm on a prepared data set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rasd_nnu.cli.options import chosen_device
from rasd_nnu.errors import ConfigError

if TYPE_CHECKING:
    from rasd_nnu.workflows.finetune import FinetuneSettings


def command(
    dataset: Annotated[str, typer.Argument(help="Id or full name of a data set of `rasd_nnu tasks prepare`.")],
    configuration: Annotated[str, typer.Option("-c", "--configuration", help="Planned configuration, such as 2d.")],
    arm: Annotated[str, typer.Option(help="rasd, scratch, or a registered arm.")] = "rasd",
    fold: Annotated[int, typer.Option("-f", "--fold", min=0, help="Fold.")] = 0,
    plans: Annotated[str, typer.Option("-p", "--plans", help="Plans name.")] = "nnUNetPlans",
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of weights and batches; 0 in classification.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Length; nnU-Net's, or 20 in classification.")] = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="Segmentation: iterations an epoch.")] = None,
    labelled: Annotated[int | None, typer.Option(min=2, help="Classification: labelled cases, by patient.")] = None,
    lr: Annotated[float | None, typer.Option(help="Classification: highest learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Classification: images a step.")] = None,
    mirror: Annotated[str, typer.Option(help="Classification: axes to mirror, as 0,1; none by default.")] = "",
    series: Annotated[
        bool, typer.Option("--series", help="Classification: channels are series, pooled by attention.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a finished training.")] = False,
) -> None:
    """Train one arm: nnU-Net for segmentation, the planned encoder with a linear layer for classification.

    Stopped or killed, the same command goes on.
    """
    from rasd_nnu.nnunet.datasets import dataset_name
    from rasd_nnu.nnunet.env import nnunet_folder, require_nnunet
    from rasd_nnu.tasks.classification.data import is_classification

    require_nnunet()
    name = dataset_name(dataset)
    if not is_classification(nnunet_folder("nnUNet_raw") / name):
        for option, value in (
            ("--labelled", labelled),
            ("--lr", lr),
            ("--batch-size", batch_size),
            ("--mirror", mirror),
            ("--series", series),
        ):
            if value:
                raise ConfigError(f"{option} is for classification, but {name} is segmentation. Leave it out.")
        _segmentation(name, configuration, arm, fold, plans, seed, epochs, iterations, chosen_device(device), overwrite)
        return
    if iterations is not None:
        raise ConfigError(f"--iterations is for segmentation, but {name} is classification. Give --epochs.")
    from rasd_nnu.cli.options import parse_numbers
    from rasd_nnu.tasks.classification.train import ClassificationRecipe
    from rasd_nnu.workflows.finetune import FinetuneSettings

    asked = {"epochs": epochs, "lr": lr, "batch_size": batch_size, "seed": seed}
    options: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    axes = parse_numbers(mirror, "--mirror") if mirror else ()
    recipe = ClassificationRecipe(**options, mirror=axes, series=series)
    settings = FinetuneSettings(arm, fold, labelled, recipe, chosen_device(device), overwrite)
    _classification(name, configuration, plans, settings)


def _classification(name: str, configuration: str, plans: str, settings: FinetuneSettings) -> None:
    from rasd_nnu.reading import read_json_object
    from rasd_nnu.workflows.finetune import finetune_classifier

    folder = finetune_classifier(name, configuration, plans, settings, tell=_tell, track=_progress)
    for side, values in read_json_object(folder / "scores.json").items():
        if isinstance(values, dict) and "auc" in values:
            shown = ", ".join(f"{key} {'-' if value is None else f'{value:.3f}'}" for key, value in values.items())
            typer.echo(f"{side}: {shown}")
    typer.echo(f"wrote {folder}")


def _segmentation(
    name: str,
    configuration: str,
    arm: str,
    fold: int,
    plans: str,
    seed: int | None,
    epochs: int | None,
    iterations: int | None,
    device: str,
    overwrite: bool,
) -> None:
    """Run nnU-Net with the trainer of this arm; a training that was begun goes on."""
    import os
    import subprocess
    import sysconfig
    from pathlib import Path

    from rasd_nnu.nnunet.commands import shown, train
    from rasd_nnu.nnunet.env import EXTERNAL_TRAINERS, extended_path, nnunet_folder, trainers_folder
    from rasd_nnu.nnunet.results import FINAL_CHECKPOINT, Training
    from rasd_nnu.nnunet.trainer_names import parse_arm

    trainer = parse_arm(arm, epochs=epochs, iters=iterations, seed=seed)
    training = Training(nnunet_folder("nnUNet_results"), name, str(trainer), plans, configuration)
    folder = training.fold(fold)
    if (folder / FINAL_CHECKPOINT).is_file() and not overwrite:
        raise ConfigError(f"{folder} holds a finished training. Give --overwrite, or another --seed.")
    begun = (folder / "checkpoint_latest.pth").is_file() and not overwrite
    more = ["-device", device, *(["--c"] if begun else [])]
    command = train(name, configuration, fold, plans=plans, trainer=str(trainer), more=more)
    typer.echo(f"$ {shown(command)}")
    known = os.environ.get(EXTERNAL_TRAINERS, "")
    environment = {**os.environ, EXTERNAL_TRAINERS: extended_path(known, trainers_folder())}
    program = Path(sysconfig.get_path("scripts")) / command[0]
    raise typer.Exit(subprocess.run([str(program), *command[1:]], env=environment, check=False).returncode)


def _tell(text: str) -> None:
    typer.echo(text, err=True)


def _progress(cases: Iterable[str]) -> Iterable[str]:
    from rich.console import Console
    from rich.progress import track

    return track(list(cases), "stand-in label maps", console=Console(stderr=True), transient=True)
