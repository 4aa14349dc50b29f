"""``rasd_nnu pretrain``: pre-train a network on synthetic images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rasd_nnu.cli.network import case_maps, network_target, offline_config, synthesis_config
from rasd_nnu.cli.options import parse_duration
from rasd_nnu.errors import ConfigError

if TYPE_CHECKING:
    from rasd_nnu.nnunet.plans import NetworkTarget
    from rasd_nnu.pretrain.loop import PretrainResult

_NETWORK, _DATA, _RECIPE = "The network", "The synthetic images", "The recipe"
_MACHINE, _OUTPUT = "The machine", "The output"


def command(
    dims: Annotated[
        str | None,
        typer.Option("-d", "--dims", help="2d or 3d: a standard network.", rich_help_panel=_NETWORK),
    ] = None,
    arch: Annotated[
        str | None,
        typer.Option(help="plain, resenc-m|l|xl, primus-s|b|m|l, swin-unetr[-v1], unet2d.", rich_help_panel=_NETWORK),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Id or name of a planned data set: exactly its network.", rich_help_panel=_NETWORK),
    ] = None,
    configuration: Annotated[
        str | None,
        typer.Option("-c", "--configuration", help="Its configuration.", rich_help_panel=_NETWORK),
    ] = None,
    plans: Annotated[
        str | None,
        typer.Option("-p", "--plans", help="Its plans; nnUNetPlans by default.", rich_help_panel=_NETWORK),
    ] = None,
    patch: Annotated[
        str | None,
        typer.Option(help="With -d: 64 or 64,64,32; mostly 128 in 3D, 512 in 2D by default.", rich_help_panel=_NETWORK),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="With -d: input channels; default 1.", rich_help_panel=_NETWORK)
    ] = None,
    maps: Annotated[
        str,
        typer.Option(
            help="Label maps: fields (random), cases (training cases of --fold, deformed), mixed (half of each).",
            rich_help_panel=_DATA,
        ),
    ] = "fields",
    fold: Annotated[
        str | None,
        typer.Option(
            "-f", "--fold", help="With --maps: the fold whose training cases are used.", rich_help_panel=_DATA
        ),
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            help="With --maps cases or mixed: a folder of further images, NAME_0000.ext, whose maps join.",
            rich_help_panel=_DATA,
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="default (unless told otherwise), paper or released.", rich_help_panel=_DATA)
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help="8, or 4-12 to draw it for each sample; default 8 in 3D, 16 in 2D.", rich_help_panel=_DATA),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a prior: 'blur.sigma=[0,2,vox]'. May be repeated.", rich_help_panel=_DATA),
    ] = None,
    offline: Annotated[
        Path | None,
        typer.Option(help="Read the samples of `rasd_nnu synthesize` instead of fresh ones.", rich_help_panel=_DATA),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="With --offline: compare all checksums first.", rich_help_panel=_DATA)
    ] = False,
    recipe: Annotated[
        str,
        typer.Option(
            help="default: cosine, normalised features, as long as --budget; paper: 600,000 steps at 1e-5. The options "
            "below change either.",
            rich_help_panel=_RECIPE,
        ),
    ] = "default",
    budget: Annotated[
        str | None,
        typer.Option(help="Time for the default recipe: 10m, 1h (unless told otherwise), 8h.", rich_help_panel=_RECIPE),
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Optimiser steps, instead of a budget.", rich_help_panel=_RECIPE)
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Samples a step over all devices; default 2 in 3D, 16 in 2D, or as planned.", rich_help_panel=_RECIPE
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(help="Learning rate of AdamW; 1e-3, 3e-4 for transformers.", rich_help_panel=_RECIPE),
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Weight decay of AdamW; 0.01.", rich_help_panel=_RECIPE)
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="Learning rate: cosine or constant.", rich_help_panel=_RECIPE)
    ] = None,
    warmup: Annotated[
        float | None,
        typer.Option(help="Iterations of linear warm-up, or a share of all; 0.05.", rich_help_panel=_RECIPE),
    ] = None,
    clip: Annotated[float | None, typer.Option(help="Largest gradient norm; 1.", rich_help_panel=_RECIPE)] = None,
    precision: Annotated[
        str,
        typer.Option(help="fp32, bf16, fp16, or auto: bf16 where the device has it.", rich_help_panel=_RECIPE),
    ] = "auto",
    accumulate: Annotated[
        int,
        typer.Option(help="Work through each batch in this many parts, to save memory.", rich_help_panel=_RECIPE),
    ] = 1,
    ema: Annotated[
        float | None,
        typer.Option(help="Keep a moving average of the weights, such as 0.999.", rich_help_panel=_RECIPE),
    ] = None,
    objective: Annotated[
        str, typer.Option(help="prototypes (RaSD), or contrastive (as anatomix).", rich_help_panel=_RECIPE)
    ] = "prototypes",
    temperature: Annotated[
        float | None,
        typer.Option(help="tau; default 0.07, or 0.33 for contrastive.", rich_help_panel=_RECIPE),
    ] = None,
    normalize: Annotated[
        bool | None,
        typer.Option(
            "--normalize/--no-normalize", help="Compare features on the unit sphere; on.", rich_help_panel=_RECIPE
        ),
    ] = None,
    objective_implementation: Annotated[
        str,
        typer.Option(help="fast, or plain: the equations as written, for comparison.", rich_help_panel=_RECIPE),
    ] = "fast",
    seed: Annotated[int, typer.Option(help="Seed of samples and initial weights.", rich_help_panel=_RECIPE)] = 0,
    reuse: Annotated[int, typer.Option(help="Show each sample so many times in a row.", rich_help_panel=_RECIPE)] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.", rich_help_panel=_MACHINE)] = "auto",
    devices: Annotated[int, typer.Option(help="Devices (CPU: processes) a node.", rich_help_panel=_MACHINE)] = 1,
    nodes: Annotated[int, typer.Option(help="Nodes.", rich_help_panel=_MACHINE)] = 1,
    workers: Annotated[int, typer.Option(help="CPU processes that synthesise ahead.", rich_help_panel=_MACHINE)] = 0,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Use torch.compile on the network.", rich_help_panel=_MACHINE)
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="The checkpoint; by default where the trainer looks for it.", rich_help_panel=_OUTPUT),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier checkpoint.", rich_help_panel=_OUTPUT)
    ] = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with a stopped or killed run, if any.", rich_help_panel=_OUTPUT),
    ] = False,
    save_every: Annotated[int, typer.Option(help="Iterations between two saves.", rich_help_panel=_OUTPUT)] = 1000,
    keep_every: Annotated[
        int | None,
        typer.Option(help="Also keep a checkpoint every so many iterations, for good.", rich_help_panel=_OUTPUT),
    ] = None,
    keep_last: Annotated[
        int | None, typer.Option(help="Also keep the last so many saves.", rich_help_panel=_OUTPUT)
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(help="Publish the finished checkpoint: hf://owner/name.", rich_help_panel=_OUTPUT),
    ] = None,
) -> None:
    """Pre-train a network on synthetic images.

    -d 2d|3d takes a standard network; --dataset ID -c CONFIG [-p PLANS] exactly the one that nnU-Net planned.
    Ctrl-C, SIGTERM and SIGUSR1 end it saved; --resume goes on. Exit code after Ctrl-C: 130.
    """
    from rich.console import Console

    from rasd_nnu.checkpoints.hub import check_destination, push_checkpoint
    from rasd_nnu.checkpoints.registry import default_path
    from rasd_nnu.pretrain.cases import ITERATIONS
    from rasd_nnu.pretrain.defaults import recipe_for
    from rasd_nnu.pretrain.hardware import Hardware, is_main_process
    from rasd_nnu.pretrain.keep import Keep
    from rasd_nnu.pretrain.loop import pretrain
    from rasd_nnu.pretrain.offline import open_samples
    from rasd_nnu.pretrain.progress import console_display

    target = network_target(dims, arch, dataset, configuration, plans, patch, channels)
    hardware = Hardware(device, devices, nodes, workers, compiled)
    keep = Keep(keep_every, keep_last)
    cases = case_maps(target, maps, fold, classes, changes, unlabelled)
    if cases is not None and recipe == "default" and iterations is None and budget is None:
        iterations = ITERATIONS
    chosen = recipe_for(
        target,
        hardware,
        recipe,
        budget=None if budget is None else parse_duration(budget, "--budget"),
        iterations=iterations,
        batch_size=batch_size,
        lr=lr,
        weight_decay=weight_decay,
        schedule=schedule,
        warmup=warmup,
        clip=clip,
        precision=precision,
        accumulate=accumulate,
        ema=ema,
        seed=seed,
        reuse=reuse,
        objective=objective,
        temperature=temperature,
        normalize=normalize,
        objective_implementation=objective_implementation,
    )
    destination = out or default_path(target, arch or "plain", None if cases is None else cases.fold.name)
    samples = None if offline is None else open_samples(offline, verify=verify)
    if push is not None:
        if cases is not None:
            raise ConfigError(f"--push contradicts --maps {maps}: the checkpoint names the cases. Leave one out.")
        check_destination(push)
    result = pretrain(
        target,
        synthesis_config(target, preset, classes, changes or [])
        if samples is None
        else offline_config(samples, target, preset, classes, changes),
        chosen,
        destination,
        hardware=hardware,
        save_every=save_every,
        overwrite=overwrite,
        resume=resume,
        offline=samples,
        keep=keep,
        cases=cases,
        display=console_display(Console()),
    )
    if is_main_process():
        _tell(result, target, 0 if cases is None else cases.fold.name, is_default=out is None)
        if result.stopped_by == "SIGINT":
            raise typer.Exit(130)
        if push is not None and result.stopped_by is None:
            typer.echo(f"published {push_checkpoint(destination, push)}")


def _tell(result: PretrainResult, target: NetworkTarget, fold: int | str, *, is_default: bool) -> None:
    """Say how it ended and what to do next."""
    from rasd_nnu.nnunet.commands import DEFAULT_PLANS, shown, train

    losses = result.final_losses
    typer.echo(
        f"{result.checkpoint}: {result.iterations} iterations, {result.samples_different} different "
        f"samples, {result.seconds:.0f} s; separation {losses['separation']:.4f}, clustering "
        f"{losses['clustering']:.4f}, accuracy {losses['accuracy']:.3f} (means of the last 5 %)"
    )
    if result.stopped_by is not None:
        typer.echo(f"stopped by {result.stopped_by}, saved. Go on with the same command and --resume.")
        return
    source = {} if is_default and target.dataset else {"RASD_CHECKPOINT": str(result.checkpoint)}
    if target.dataset:
        plans, configuration = target.plans or DEFAULT_PLANS, target.configuration or ""
        command = train(target.dataset, configuration, fold, plans=plans, trainer="RaSDTrainer")
    else:
        command = ["nnUNetv2_train", "DATASET", "CONFIGURATION", "FOLD", "-tr", "RaSDTrainer"]
    typer.echo(f'next: eval "$(rasd_nnu env)" && {shown(command, source)}')
