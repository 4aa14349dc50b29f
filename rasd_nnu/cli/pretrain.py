"""``rasd_nnu pretrain``: pre-train a network on synthetic images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rasd_nnu.cli.options import parse_classes, parse_dims, parse_numbers, parse_overrides
from rasd_nnu.errors import ConfigError

if TYPE_CHECKING:
    from rasd_nnu.nnunet.plans import NetworkTarget
    from rasd_nnu.pretrain.loop import PretrainResult
    from rasd_nnu.pretrain.offline import OfflineSamples
    from rasd_nnu.pretrain.synthesis import SynthesisConfig

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
    iterations: Annotated[
        int, typer.Option(help="Optimiser steps; the paper's is the default.", rich_help_panel=_RECIPE)
    ] = 600_000,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Samples a step over all devices; default 2 in 3D, 16 in 2D, or as planned.", rich_help_panel=_RECIPE
        ),
    ] = None,
    lr: Annotated[float, typer.Option(help="Learning rate of AdamW.", rich_help_panel=_RECIPE)] = 1e-5,
    weight_decay: Annotated[float, typer.Option(help="Weight decay of AdamW.", rich_help_panel=_RECIPE)] = 0.01,
    schedule: Annotated[
        str, typer.Option(help="Learning rate: constant or cosine.", rich_help_panel=_RECIPE)
    ] = "constant",
    warmup: Annotated[int, typer.Option(help="Iterations of linear warm-up.", rich_help_panel=_RECIPE)] = 0,
    clip: Annotated[
        float | None, typer.Option(help="Largest gradient norm; no clipping by default.", rich_help_panel=_RECIPE)
    ] = None,
    precision: Annotated[
        str,
        typer.Option(help="fp32, bf16, fp16, or auto: bf16 where a GPU has it.", rich_help_panel=_RECIPE),
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
        bool, typer.Option("--normalize", help="Compare features on the unit sphere.", rich_help_panel=_RECIPE)
    ] = False,
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
    from rasd_nnu.pretrain.hardware import Hardware, is_main_process
    from rasd_nnu.pretrain.keep import Keep
    from rasd_nnu.pretrain.loop import pretrain
    from rasd_nnu.pretrain.objective.contrastive import TEMPERATURE
    from rasd_nnu.pretrain.offline import open_samples
    from rasd_nnu.pretrain.progress import console_display
    from rasd_nnu.pretrain.recipe import Recipe

    target = network_target(dims, arch, dataset, configuration, plans, patch, channels)
    hardware = Hardware(device, devices, nodes, workers, compiled)
    keep = Keep(keep_every, keep_last)
    default_temperature = TEMPERATURE if objective == "contrastive" else Recipe.temperature
    recipe = Recipe(
        iterations=iterations,
        batch_size=target.batch_size if batch_size is None else batch_size,
        lr=lr,
        weight_decay=weight_decay,
        schedule=schedule,
        warmup=warmup,
        clip=clip,
        precision=hardware.best_precision() if precision == "auto" else precision,
        accumulate=accumulate,
        ema=ema,
        seed=seed,
        reuse=reuse,
        objective=objective,
        temperature=default_temperature if temperature is None else temperature,
        normalize=normalize,
        objective_implementation=objective_implementation,
    )
    destination = out or default_path(target, arch or "plain")
    samples = None if offline is None else open_samples(offline, verify=verify)
    if push is not None:
        check_destination(push)
    result = pretrain(
        target,
        synthesis_config(target, preset, classes, changes or [])
        if samples is None
        else _offline_config(samples, target, preset, classes, changes),
        recipe,
        destination,
        hardware=hardware,
        save_every=save_every,
        overwrite=overwrite,
        resume=resume,
        offline=samples,
        keep=keep,
        display=console_display(Console()),
    )
    if is_main_process():
        _tell(result, target, is_default=out is None)
        if result.stopped_by == "SIGINT":
            raise typer.Exit(130)
        if push is not None and result.stopped_by is None:
            typer.echo(f"published {push_checkpoint(destination, push)}")


def network_target(
    dims: str | None,
    arch: str | None,
    dataset: str | None,
    configuration: str | None,
    plans: str | None,
    patch: str | None,
    channels: int | None,
) -> NetworkTarget:
    """Return the network that the options ask for, or say which of them contradict each other."""
    from rasd_nnu.networks.standard import standard_target
    from rasd_nnu.nnunet.env import require_folders, require_nnunet
    from rasd_nnu.nnunet.plans import planned_target

    require_nnunet()
    if (dims is None) == (dataset is None):
        raise ConfigError(
            f"got {'neither' if dims is None else 'both'} of -d and --dataset, expected one: -d 2d or -d 3d for a "
            "standard network, or --dataset ID -c CONFIGURATION for the one that nnU-Net planned."
        )
    if dims is None:
        for name, value in (("--arch", arch), ("--patch", patch), ("--channels", channels)):
            if value is not None:
                raise ConfigError(f"{name} {value} contradicts --dataset: the plans decide it. Leave it out.")
        if dataset is None or configuration is None:
            raise ConfigError("--dataset needs a configuration. Add -c 3d_fullres or -c 2d.")
        require_folders()
        return planned_target(dataset, configuration, plans or "nnUNetPlans")
    for name, value in (("-c", configuration), ("-p", plans)):
        if value is not None:
            raise ConfigError(f"{name} {value} needs --dataset. Replace -d {dims} by --dataset ID.")
    axes = parse_dims(dims)
    size = None if patch is None else parse_numbers(patch, "--patch")
    if size is not None and min(size) < 1:
        raise ConfigError(f"--patch is {patch!r}, expected sizes above 0.")
    if channels is not None and channels < 1:
        raise ConfigError(f"--channels is {channels}, expected at least 1.")
    size = size * axes if size is not None and len(size) == 1 else size
    return standard_target(axes, arch or "plain", channels=channels or 1, patch_size=size)


def synthesis_config(
    target: NetworkTarget, preset: str | None, classes: str | None, changes: list[str]
) -> SynthesisConfig:
    """Return what to synthesise for ``target``."""
    from rasd_nnu.pretrain.synthesis import SynthesisConfig

    return SynthesisConfig.preset(
        preset or "default",
        shape=target.patch_size,
        classes=parse_classes(classes or ("8" if target.dims == 3 else "16")),
        channels=target.input_channels,
        spacing=target.spacing,
        normalization=target.normalization,
        overrides=parse_overrides(changes),
    )


def _offline_config(
    samples: OfflineSamples, target: NetworkTarget, preset: str | None, classes: str | None, changes: list[str] | None
) -> SynthesisConfig:
    """Return what the samples have to be made from: what they are, for the geometry of ``target``."""
    from rasd_nnu.pretrain.synthesis import SynthesisConfig

    for option, given in (("--preset", preset), ("--set", changes)):
        if given:
            raise ConfigError(f"{option} contradicts --offline: the samples in {samples.folder} decide. Leave it out.")
    asked = samples.manifest.config.to_dict() | {
        "shape": target.patch_size,
        "channels": target.input_channels,
        "spacing": target.spacing,
        "normalization": target.normalization,
    }
    return SynthesisConfig.from_dict(asked | ({} if classes is None else {"classes": parse_classes(classes)}))


def _tell(result: PretrainResult, target: NetworkTarget, *, is_default: bool) -> None:
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
        command = train(target.dataset, configuration, 0, plans=plans, trainer="RaSDTrainer")
    else:
        command = ["nnUNetv2_train", "DATASET", "CONFIGURATION", "FOLD", "-tr", "RaSDTrainer"]
    typer.echo(f'next: eval "$(rasd_nnu env)" && {shown(command, source)}')
