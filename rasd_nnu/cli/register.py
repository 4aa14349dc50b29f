"""``rasd_nnu register``: deformable registration on features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rasd_nnu.cli.options import chosen_device, parse_numbers, refuse_existing
from rasd_nnu.errors import ConfigError

if TYPE_CHECKING:
    from rasd_nnu.workflows.register import Compared


def command(
    fixed: Annotated[Path, typer.Argument(help="Volume that stays.")],
    moving: Annotated[Path, typer.Argument(help="Volume to bring onto it.")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    checkpoint: Annotated[
        str | None, typer.Option(help="Compare features of this network: a path, hf://OWNER/NAME or https://...")
    ] = None,
    on: Annotated[
        Literal["mind", "intensity"] | None, typer.Option(help="Without a network: MIND, or intensities (NCC).")
    ] = None,
    fixed_labels: Annotated[Path | None, typer.Option(help="Label map of FIXED: Dice and HD95.")] = None,
    moving_labels: Annotated[Path | None, typer.Option(help="Label map of MOVING: warped, too.")] = None,
    align: Annotated[
        Literal["header", "centre"], typer.Option(help="Start where the files say, or with the centres together.")
    ] = "header",
    spacing: Annotated[
        str | None, typer.Option(help="Grid of the work along X, Y, Z in mm; default the network's or that of FIXED.")
    ] = None,
    smoothness: Annotated[float, typer.Option(help="convexAdam's lambda_weight.")] = 1.25,
    grid: Annotated[int, typer.Option(help="convexAdam's grid_sp, voxels; smaller for small structures.")] = 6,
    reach: Annotated[int, typer.Option(help="convexAdam's disp_hw: cells of the grid to search.")] = 4,
    fine_grid: Annotated[int, typer.Option(help="convexAdam's grid_sp_adam, voxels.")] = 2,
    iterations: Annotated[int, typer.Option(help="Iterations of Adam.")] = 80,
    dataset: Annotated[
        str | None, typer.Option(help="Id or name of a planned data set: its preprocessing, to the letter.")
    ] = None,
    configuration: Annotated[str | None, typer.Option("-c", "--configuration", help="With --dataset.")] = None,
    plans: Annotated[str | None, typer.Option("-p", "--plans", help="With --dataset.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files in the folder.")] = False,
) -> None:
    """Register MOVING onto FIXED on features of a frozen network, by the convexAdam package.

    Writes OUT/warped.nii.gz, field.nii.gz (displacements in mm, as SimpleITK, ANTs and 3D Slicer read them), with label
    maps labels.nii.gz, and run_report.json with Dice, HD95 and the share of folded voxels.
    """
    refuse_existing(out / "run_report.json", overwrite, "OUT")
    if (checkpoint is None) == (on is None):
        raise ConfigError("give either --checkpoint CKPT (features of a network) or --on mind or --on intensity.")
    if fixed_labels is not None and moving_labels is None:
        raise ConfigError("--fixed-labels needs --moving-labels, to compare with. Give both or neither.")
    from rasd_nnu.registration.convex import ConvexSettings
    from rasd_nnu.workflows.register import register_files

    place = chosen_device(device)
    settings = ConvexSettings(smoothness, grid, reach, fine_grid, iterations)
    report = register_files(
        fixed,
        moving,
        out,
        _compared(checkpoint, on, (dataset, configuration, plans), place),
        settings,
        labels=(fixed_labels, moving_labels),
        align=align,
        spacing=_spacing(spacing),
        device=place,
    )
    for row in report.get("labels", []):
        typer.echo(
            f"label {row['label']}: Dice {row['dice_before']:.3f} -> {row['dice']:.3f}, "
            f"HD95 {row['hd95_before']:.1f} -> {row['hd95']:.1f} mm"
        )
    typer.echo(f"folded voxels {report['folded_share']:.2%}, {report['seconds']:.1f} s; wrote {out}")


def _spacing(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    numbers: tuple[float, ...] = parse_numbers(text, "--spacing", float)
    if len(numbers) != 3 or min(numbers) <= 0:
        raise ConfigError(f"--spacing is {text[:80]!r}, expected three lengths above 0 in mm, as 1,1,2.")
    return numbers


def _compared(
    checkpoint: str | None, on: str | None, plan: tuple[str | None, str | None, str | None], device: str
) -> Compared:
    from rasd_nnu.workflows.register import of_checkpoint, usual

    if checkpoint is None:
        assert on is not None
        return usual(on)
    from rasd_nnu.checkpoints.hub import local_path
    from rasd_nnu.checkpoints.read import open_source

    return of_checkpoint(open_source(local_path(checkpoint)), plan, device)
