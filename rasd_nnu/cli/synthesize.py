"""``rasd_nnu synthesize``: write synthetic samples to disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    out: Annotated[Path, typer.Option(help="Folder for the samples.")],
    samples: Annotated[int, typer.Option("--n", min=1, help="How many samples.")],
    dims: Annotated[str | None, typer.Option("-d", "--dims", help="2d or 3d: for a standard network.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Id or name of a planned data set: for its network.")] = None,
    configuration: Annotated[str | None, typer.Option("-c", "--configuration", help="Its configuration.")] = None,
    plans: Annotated[str | None, typer.Option("-p", "--plans", help="Its plans; nnUNetPlans by default.")] = None,
    patch: Annotated[str | None, typer.Option(help="With -d: 64 or 64,64,32; default 128 or 512.")] = None,
    channels: Annotated[int | None, typer.Option(help="With -d: input channels; default 1.")] = None,
    preset: Annotated[str | None, typer.Option(help="default (unless told otherwise), paper or released.")] = None,
    classes: Annotated[str | None, typer.Option(help="8, or 4-12; default 8 in 3D, 16 in 2D.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="Change a prior: 'blur.sigma=[0,2,vox]'.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the samples.")] = 0,
    views: Annotated[
        int, typer.Option(min=1, max=2, help="Views of each sample; --objective contrastive needs 2.")
    ] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="CPU processes that synthesise ahead.")] = 0,
) -> None:
    """Write the samples that `rasd_nnu pretrain` would make, for `rasd_nnu pretrain --offline OUT`.

    The same command again goes on after an interruption, makes damaged files anew, and extends with a larger --n.
    """
    from rich.progress import Progress

    from rasd_nnu.cli.network import network_target, synthesis_config
    from rasd_nnu.pretrain.hardware import Hardware
    from rasd_nnu.pretrain.offline import write_samples

    target = network_target(dims, None, dataset, configuration, plans, patch, channels)
    config = synthesis_config(target, preset, classes, changes or [])
    hardware = Hardware(device, workers=workers)
    with Progress(transient=True) as progress:
        task = progress.add_task("synthesising", total=samples)
        manifest = write_samples(
            config,
            out,
            samples,
            seed=seed,
            views=views,
            device=hardware.accelerator,
            workers=workers,
            tell=lambda done: progress.update(task, completed=done),
        )
    typer.echo(f"{out}: {manifest.samples} samples, {manifest.bytes / 1e9:.3g} GB, digest {manifest.digest[:12]}")
