"""``rasd_nnu preview``: a sheet of synthetic samples, or the samples as NIfTI."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rasd_nnu.cli.options import parse_dims, parse_numbers, parse_overrides, picture_format, refuse_existing
from rasd_nnu.errors import ConfigError, did_you_mean
from rasd_nnu.files import atomic_file


def command(
    dims: Annotated[str, typer.Option("-d", "--dims", help="2d or 3d.")] = "2d",
    dataset: Annotated[
        str | None, typer.Option(help="Id or name of a preprocessed data set: its training patches in new appearances.")
    ] = None,
    configuration: Annotated[str | None, typer.Option("-c", "--configuration", help="With --dataset.")] = None,
    plans: Annotated[str, typer.Option("-p", "--plans", help="With --dataset.")] = "nnUNetPlans",
    fold: Annotated[str, typer.Option("-f", "--fold", help="With --dataset: whose training cases are shown.")] = "0",
    mix: Annotated[
        str | None, typer.Option(help="With --dataset: curve, shift or random; default one column each.")
    ] = None,
    preset: Annotated[str, typer.Option(help="default, paper or released.")] = "default",
    classes: Annotated[str, typer.Option(help="Class counts, one row each.")] = "4,8,16",
    shape: Annotated[str | None, typer.Option(help="Voxels, as 128,128,128; default 256^2 or 96^3.")] = None,
    spacing: Annotated[str | None, typer.Option(help="Voxel spacing in mm, as 3,1,1; default 1.")] = None,
    channels: Annotated[int, typer.Option(help="Channels; three are shown as colours.")] = 1,
    samples: Annotated[int, typer.Option(min=1, help="Samples a row, or pairs to write.")] = 3,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the samples.")] = 0,
    changes: Annotated[list[str] | None, typer.Option("--set", help="Change a prior: 'blur.sigma=[0,2,vox]'.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Picture to write, .png, .pdf or .svg; default rasd_preview_<dims>_<preset>.png."),
    ] = None,
    nifti: Annotated[Path | None, typer.Option(help="Write pairs (first class count) into this folder.")] = None,
    explain: Annotated[bool, typer.Option(help="Print every prior with its range and unit, and stop.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace existing files.")] = False,
) -> None:
    """Show what the network will be pre-trained on: images beside labels, with and without deformation.

    With --dataset ID -c CONFIG [-f FOLD] instead training patches of that fold, beside the new appearances that
    RaSDTrainer_mix gives such patches; labels are drawn as contours.
    """
    from rasd_nnu.pretrain.preview import explain as explain_config
    from rasd_nnu.pretrain.preview import picture_sheet, write_nifti
    from rasd_nnu.pretrain.synthesis import SynthesisConfig

    if dataset is not None:
        path = out or Path(f"rasd_preview_{dataset}_{configuration}.png")
        refuse_existing(path, overwrite)
        _of_cases(dataset, configuration, plans, fold, mix, samples, seed, path)
        return
    for option, value in (("-c", configuration), ("--mix", mix)):
        if value is not None:
            raise ConfigError(f"{option} {value} needs --dataset. Add --dataset ID.")
    axes = parse_dims(dims)
    counts = parse_numbers(classes, "--classes")
    config = SynthesisConfig.preset(
        preset,
        shape=parse_numbers(shape, "--shape") if shape else ((256,) * 2 if axes == 2 else (96,) * 3),
        spacing=parse_numbers(spacing, "--spacing", float) if spacing else None,
        classes=counts[0],
        channels=channels,
        overrides=parse_overrides(changes or []),
    )
    if explain:
        for key, value in explain_config(config):
            typer.echo(f"{key:32} {value}")
        return
    if nifti is not None:
        refuse_existing(nifti, overwrite, "--nifti")
        written = write_nifti(config, nifti, samples, seed)
        typer.echo(f"wrote {len(written)} files to {nifti}")
        return
    path = out or Path(f"rasd_preview_{dims}_{preset}.png")
    ending = picture_format(path)
    refuse_existing(path, overwrite)
    with atomic_file(path) as file:
        picture_sheet(config, counts, samples, seed).savefig(file, dpi=110, format=ending)
    typer.echo(f"wrote {path}")


def _of_cases(
    dataset: str, configuration: str | None, plans: str, fold: str, mix: str | None, samples: int, seed: int, path: Path
) -> None:
    """Write the sheet of a fold's training patches."""
    from rasd_nnu.nnunet.plans import planned_target
    from rasd_nnu.pretrain.cases import open_cases
    from rasd_nnu.pretrain.cases.preview import MIXES, renewed_sheet

    if configuration is None:
        raise ConfigError("--dataset needs a configuration. Add -c 3d_fullres or -c 2d.")
    kinds = tuple(kind for kind in MIXES if mix in (None, kind))
    if not kinds:
        raise ConfigError(f"--mix is {mix!r}, expected {', '.join(MIXES)}.{did_you_mean(str(mix), MIXES)}")
    ending = picture_format(path)
    cases = open_cases(planned_target(dataset, configuration, plans), fold)
    for note in cases.notes:
        typer.echo(f"warning: {note}", err=True)
    with atomic_file(path) as file:
        renewed_sheet(cases, kinds, samples, seed).savefig(file, dpi=110, format=ending)
    typer.echo(f"wrote {path}")
