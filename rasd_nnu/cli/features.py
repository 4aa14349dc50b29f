"""``rasd_nnu features``: what frozen networks make of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rasd_nnu.cli.options import chosen_device, refuse_existing
from rasd_nnu.errors import ConfigError

if TYPE_CHECKING:
    from rasd_nnu.workflows.features import Arm

_UNTRAINED = "untrained"


def command(
    checkpoints: Annotated[
        list[str], typer.Argument(help="Checkpoints to set side by side, as PATH, NAME=PATH or hf://OWNER/NAME.")
    ],
    images: Annotated[Path, typer.Option(help="A folder of images such as imagesTr, or one image.")],
    out: Annotated[Path, typer.Option(help="Folder for pictures, numbers and volumes.")],
    labels: Annotated[
        Path | None, typer.Option(help="Folder of label maps: how well do voxels and regions separate?")
    ] = None,
    names: Annotated[str | None, typer.Option(help="With --labels: names to show, as 1=anterior,2=posterior.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="FILE.csv:COLUMN with a class for each case: how well do images separate?")
    ] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Add the network of the first checkpoint with random weights.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first images of the folder.")] = None,
    voxels: Annotated[int, typer.Option(min=2, help="With --labels: voxels drawn of each label and image.")] = 50,
    maps: Annotated[int, typer.Option(min=0, help="Images to show as feature maps.")] = 3,
    export: Annotated[
        Literal["pca", "all"] | None,
        typer.Option(help="Write features of all images as NIfTI: principal components, or all channels."),
    ] = None,
    components: Annotated[int, typer.Option(min=1, help="Principal components to export.")] = 3,
    embedding: Annotated[Literal["tsne", "umap"], typer.Option(help="Plot in two dimensions.")] = "tsne",
    dataset: Annotated[
        str | None, typer.Option(help="Id or name of a planned data set: its preprocessing, to the letter.")
    ] = None,
    configuration: Annotated[str | None, typer.Option("-c", "--configuration", help="With --dataset.")] = None,
    plans: Annotated[str | None, typer.Option("-p", "--plans", help="With --dataset.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of draws, plots and --untrained.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files in the folder.")] = False,
) -> None:
    """Show, measure and export the dense features of images, back in each image's own space.

    Writes maps.png; with --labels or --classes a plot of points and how well they separate (silhouette, and a linear
    probe on other cases); with --export OUT/NAME/CASE.nii.gz, the channels last.
    """
    from rasd_nnu.features.images import find_images
    from rasd_nnu.workflows.features import FeatureOptions, make_features, read_classes

    refuse_existing(out / "run_report.json", overwrite)
    path, _, column = (classes or "").rpartition(":")
    if classes is not None and not path:
        raise ConfigError(f"--classes is {classes!r}, expected FILE.csv:COLUMN, as cases.csv:diagnosis.")
    options = FeatureOptions(
        labels=labels,
        classes=read_classes(Path(path), column) if classes else {},
        names=_names(names),
        voxels=voxels,
        maps=maps,
        export=export,
        components=components,
        embedding=embedding,
        seed=seed,
    )
    found = find_images(images)[:limit]
    arms = _arms(checkpoints, untrained, seed, (dataset, configuration, plans), chosen_device(device))
    for file in make_features(arms, found, out, options):
        typer.echo(f"wrote {file}")
    _print_separation(out / "run_report.json")


def _names(text: str | None) -> dict[str, str]:
    pairs = [item.partition("=") for item in (text or "").split(",") if item]
    for value, equals, _ in pairs:
        if not equals:
            raise ConfigError(f"--names got {value!r}, expected LABEL=NAME, as 1=anterior,2=posterior.")
    return {value.strip(): name.strip() for value, _, name in pairs}


def _arms(
    checkpoints: list[str], untrained: bool, seed: int, plan: tuple[str | None, str | None, str | None], device: str
) -> list[Arm]:
    """Return the networks under names that differ."""
    from rasd_nnu.checkpoints.hub import local_path
    from rasd_nnu.checkpoints.read import open_source
    from rasd_nnu.features.network import FeatureNetwork
    from rasd_nnu.features.preprocessing import preprocessing_for
    from rasd_nnu.nnunet.names import plain_name
    from rasd_nnu.workflows.features import Arm

    arms: list[Arm] = []
    for text in checkpoints:
        name, equals, where = text.partition("=")
        source = open_source(local_path(where if equals else text))
        name = plain_name(name if equals else source.path.stem, "the name of a checkpoint")
        if name in {arm.name for arm in arms} | {_UNTRAINED}:
            raise ConfigError(f"two networks are called {name!r}. Name them, as {name}_2={where or text}.")
        arms.append(Arm(name, source, FeatureNetwork(source, preprocessing_for(source, *plan), device)))
    if untrained:
        first = arms[0]
        network = FeatureNetwork(first.source, first.network.preprocessing, device, untrained=seed)
        arms.append(Arm(_UNTRAINED, first.source, network))
    return arms


def _print_separation(report: Path) -> None:
    import json

    rows = json.loads(report.read_text(encoding="utf-8"))["separation"]
    if not any(rows.values()):
        return
    typer.echo(f"{'network':20} {'points':10} {'n':>6} {'silhouette':>11} {'probe':>7} {'chance':>7}")
    for name, kinds in rows.items():
        for row in kinds:
            typer.echo(
                f"{name:20} {row['kind']:10} {row['points']:6} {row['silhouette']:11.3f} {row['probe']:7.3f} "
                f"{row['chance']:7.3f}"
            )
