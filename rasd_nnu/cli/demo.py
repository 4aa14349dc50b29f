"""``rasd_nnu demo``: the whole way on a small data set, minutes on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    out: Annotated[Path, typer.Option(help="Folder for everything; run again to go on.")] = Path("rasd_demo"),
    source: Annotated[
        Path | None, typer.Option(help="Unpacked Task04_Hippocampus; default: RASD_DATA, else a download.")
    ] = None,
    configuration: Annotated[str, typer.Option("-c", "--configuration", help="3d_fullres or 2d.")] = "3d_fullres",
    labelled: Annotated[int, typer.Option(min=2, help="Cases to fine-tune on.")] = 10,
    held_out: Annotated[int, typer.Option(min=2, help="Cases to judge on.")] = 40,
    pretrain_iterations: Annotated[int, typer.Option(min=1, help="Pre-training steps.")] = 600,
    epochs: Annotated[int, typer.Option(min=1, help="Fine-tuning epochs.")] = 12,
    iterations: Annotated[int, typer.Option(min=1, help="Iterations an epoch.")] = 25,
    seeds: Annotated[str, typer.Option(help="Seeds of the fine-tuning, as 0,1,2.")] = "0",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Prepare, plan, pre-train, fine-tune two arms and compare, on the hippocampus data.

    Every stage is skipped when its result is there: stopped or killed, the same command goes on.
    """
    from rich.console import Console

    from rasd_nnu.cli.options import chosen_device, parse_numbers
    from rasd_nnu.errors import ConfigError
    from rasd_nnu.nnunet.env import require_nnunet
    from rasd_nnu.workflows.demo import DemoSettings, run_demo

    require_nnunet()
    if configuration not in ("2d", "3d_fullres"):
        raise ConfigError(f"--configuration is {configuration!r}, expected 2d or 3d_fullres.")
    device = chosen_device(device)
    settings = DemoSettings(
        configuration=configuration,
        labelled=labelled,
        held_out=held_out,
        pretrain_iterations=pretrain_iterations,
        epochs=epochs,
        iterations_per_epoch=iterations,
        seeds=parse_numbers(seeds, "--seeds"),
        device=device,
    )
    run_demo(out, source, settings, Console())
