"""``rasd_nnu finetune``: train one arm on a prepared data set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from rasd_nnu.cli.options import TransferOption, chosen_device
from rasd_nnu.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from rasd_nnu.workflows.finetune import FinetuneSettings
    from rasd_nnu.workflows.finetune_detection import DetectionSettings

#: Option -> tasks that it is for.
_OPTIONS = {
    "iterations": ("segmentation",),
    "labelled": ("classification", "detection"),
    "series": ("classification",),
    "lr": ("classification", "detection"),
    "batch_size": ("classification", "detection"),
    "mirror": ("classification", "detection"),
    "transfer": ("detection",),
    "bf16": ("detection",),
}


def command(
    dataset: Annotated[str, typer.Argument(help="Id or full name of a data set of `rasd_nnu tasks prepare`.")],
    configuration: Annotated[str, typer.Option("-c", "--configuration", help="Planned configuration, such as 2d.")],
    arm: Annotated[str, typer.Option(help="rasd, scratch, or a registered arm.")] = "rasd",
    fold: Annotated[int, typer.Option("-f", "--fold", min=0, help="Fold.")] = 0,
    plans: Annotated[str, typer.Option("-p", "--plans", help="Plans name.")] = "nnUNetPlans",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of weights and batches; in segmentation none by default, else 0.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Length; nnU-Net's, 20 in classification, 50 in detection.")
    ] = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="Segmentation: iterations an epoch.")] = None,
    labelled: Annotated[int | None, typer.Option(min=2, help="Not segmentation: labelled cases, by patient.")] = None,
    lr: Annotated[float | None, typer.Option(help="Not segmentation: highest learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Not segmentation: images or patches a step.")] = None,
    mirror: Annotated[
        str, typer.Option(help="Axes to mirror, as 0,1; by default none in classification, all in detection.")
    ] = "",
    series: Annotated[
        bool, typer.Option("--series", help="Classification: channels are series, pooled by attention.")
    ] = False,
    transfer: TransferOption = None,
    bf16: Annotated[bool, typer.Option("--bf16", help="Detection: compute in bfloat16.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a finished training.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Of a finished training, do what is missing, instead of refusing.")
    ] = False,
) -> None:
    """Train one arm: nnU-Net for segmentation; its planned network as a classifier or a detector for the other tasks.

    Stopped or killed, the same command goes on.
    """
    from rasd_nnu.nnunet.datasets import dataset_name, task_of
    from rasd_nnu.nnunet.env import nnunet_folder, require_nnunet

    require_nnunet()
    name = dataset_name(dataset)
    task = task_of(nnunet_folder("nnUNet_raw") / name)
    given = {
        "iterations": iterations,
        "labelled": labelled,
        "lr": lr,
        "batch_size": batch_size,
        "mirror": mirror,
        "series": series,
        "transfer": transfer,
        "bf16": bf16,
    }
    _refuse_others(given, task, name)
    device = chosen_device(device)
    if task == "segmentation":
        _segmentation(name, configuration, arm, fold, plans, seed, epochs, iterations, device, overwrite, resume)
        return
    from rasd_nnu.cli.options import parse_numbers

    asked = {"epochs": epochs, "lr": lr, "batch_size": batch_size, "seed": seed}
    options: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    if mirror:
        options["mirror"] = parse_numbers(mirror, "--mirror")
    common = {"arm": arm, "fold": fold, "labelled": labelled}
    asked_for: dict[str, Any] = common | {"device": device, "overwrite": overwrite, "resume": resume}
    if task == "detection":
        from rasd_nnu.tasks.detection import require_libraries

        require_libraries()
        from rasd_nnu.tasks.detection.train import DetectionRecipe
        from rasd_nnu.workflows.finetune_detection import DetectionSettings

        found = DetectionRecipe(**options, low_precision=bf16)
        _detection(name, configuration, plans, DetectionSettings(**asked_for, recipe=found, transfer=transfer))
        return
    from rasd_nnu.tasks.classification.train import ClassificationRecipe
    from rasd_nnu.workflows.finetune import FinetuneSettings

    recipe = ClassificationRecipe(**options, series=series)
    _classification(name, configuration, plans, FinetuneSettings(**asked_for, recipe=recipe))


def _refuse_others(given: dict[str, Any], task: str, name: str) -> None:
    """Refuse options of another task."""
    for option, value in given.items():
        if value and task not in _OPTIONS[option]:
            shown = f"--{option.replace('_', '-')} is for {' and '.join(_OPTIONS[option])}"
            raise ConfigError(f"{shown}, but {name} is {task}. Leave it out.")


def _detection(name: str, configuration: str, plans: str, settings: DetectionSettings) -> None:
    from rasd_nnu.workflows.finetune_detection import finetune_detector

    _tell_scores(finetune_detector(name, configuration, plans, settings, tell=_tell, track=_progress))


def _classification(name: str, configuration: str, plans: str, settings: FinetuneSettings) -> None:
    from rasd_nnu.workflows.finetune import finetune_classifier

    _tell_scores(finetune_classifier(name, configuration, plans, settings, tell=_tell, track=_progress))


def _tell_scores(folder: Path) -> None:
    from rasd_nnu.reading import read_json_object

    content = read_json_object(folder / "scores.json")
    for side in ("validation", "test"):
        values = {key: value for key, value in content.get(side, {}).items() if key != "classes"}
        if values:
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
    resume: bool,
) -> NoReturn:
    """Become nnU-Net with the trainer of this arm; a training that was begun goes on."""
    import os
    import sys
    import sysconfig
    from pathlib import Path

    from rasd_nnu.nnunet.commands import resuming, shown, train
    from rasd_nnu.nnunet.env import EXTERNAL_TRAINERS, extended_path, nnunet_folder, trainers_folder
    from rasd_nnu.nnunet.results import FINAL_CHECKPOINT, Training
    from rasd_nnu.nnunet.trainer_names import parse_arm

    trainer = parse_arm(arm, epochs=epochs, iters=iterations, seed=seed)
    training = Training(nnunet_folder("nnUNet_results"), name, str(trainer), plans, configuration)
    folder = training.fold(fold)
    if (folder / FINAL_CHECKPOINT).is_file() and not overwrite and not resume:
        raise ConfigError(f"{folder} holds a finished training. Give --overwrite, or another --seed.")
    more = ["-device", device, *([] if overwrite else resuming(folder))]
    command = train(name, configuration, fold, plans=plans, trainer=str(trainer), more=more)
    typer.echo(f"$ {shown(command)}")
    known = os.environ.get(EXTERNAL_TRAINERS, "")
    environment = {**os.environ, EXTERNAL_TRAINERS: extended_path(known, trainers_folder())}
    if overwrite:
        environment["RASD_OVERWRITE"] = "1"  # without it the trainer refuses, too
    program = Path(sysconfig.get_path("scripts")) / command[0]
    sys.stdout.flush()
    # Not a child process: signals of a scheduler reach the trainer itself, and nothing is left when this is killed.
    os.execve(program, [str(program), *command[1:]], environment)


def _tell(text: str) -> None:
    typer.echo(text, err=True)


def _progress(cases: Iterable[Any]) -> Iterable[Any]:
    from rich.console import Console
    from rich.progress import track

    return track(list(cases), "stand-in label maps", console=Console(stderr=True), transient=True)
