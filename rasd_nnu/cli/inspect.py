"""``rasd_nnu inspect``: what a checkpoint contains, and whether it fits a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rasd_nnu.cli.options import ChannelsOption, FoldOption, InflateOption, RequireOption, TransferOption, WidthOption
from rasd_nnu.errors import ConfigError, TransferError, printable

if TYPE_CHECKING:
    from rasd_nnu.checkpoints.read import Source
    from rasd_nnu.transfer import StartOptions


def command(
    checkpoint: Annotated[str, typer.Argument(help="A path, hf://OWNER/NAME@REV/FILE or https://...")],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    against: Annotated[
        str | None, typer.Option(help="Id or name of a planned data set: would it fit, and how well?")
    ] = None,
    configuration: Annotated[str | None, typer.Option("-c", "--configuration", help="With --against.")] = None,
    plans: Annotated[str | None, typer.Option("-p", "--plans", help="With --against; default nnUNetPlans.")] = None,
    fold: FoldOption = None,
    require: RequireOption = None,
    transfer: TransferOption = None,
    width: WidthOption = None,
    inflate: InflateOption = None,
    channels: ChannelsOption = None,
) -> None:
    """Show what a checkpoint contains: ours, nnU-Net's, nnssl's or a bare state dict.

    With --against ID -c CONFIG [-p PLANS] the exit code is 0 if the trainer would take it for this plan, else 1;
    --transfer, --require, --width, --inflate and --channels say what it does, as its RASD_ variables do.
    """
    import json

    from rasd_nnu.checkpoints.hub import local_path
    from rasd_nnu.checkpoints.read import open_source
    from rasd_nnu.nnunet.commands import DEFAULT_PLANS
    from rasd_nnu.transfer import FitOptions, StartOptions
    from rasd_nnu.workflows.inspect import describe_source

    decided = {"--transfer": transfer, "--require": require}
    allowed = {"--width": width, "--inflate": inflate, "--channels": channels}
    for option, value in {"-c": configuration, "-p": plans, "-f": fold, **decided, **allowed}.items():
        if value is not None and against is None:
            raise ConfigError(f"{option} {value} needs --against. Add --against ID.")
    source = open_source(local_path(checkpoint))
    content = describe_source(source)
    fit = None
    if against is not None:
        options = StartOptions(transfer, require, FitOptions(width, inflate, channels))
        fit = _fit(source, against, configuration, plans or DEFAULT_PLANS, options, fold)
    if as_json:
        typer.echo(json.dumps(content if fit is None else {**content, "against": fit}, indent=2))
    else:
        for key, value in _rows(content):
            typer.echo(printable(f"{key:<16}{value}"))
        if fit is not None:
            typer.echo(printable(_verdict(fit)))
    if fit is not None and not fit["fits"]:
        raise typer.Exit(1)


def _fit(
    source: Source, dataset: str, configuration: str | None, plans: str, options: StartOptions, fold: str | None
) -> dict[str, Any]:
    """Return whether the checkpoint fits a plan, why not, and the transfer report."""
    from rasd_nnu.nnunet.plans import planned_target
    from rasd_nnu.workflows.inspect import fit_to

    if configuration is None:
        raise ConfigError("--against needs a configuration. Add -c 3d_fullres or -c 2d.")
    target = planned_target(dataset, configuration, plans)
    plan = {"dataset": target.dataset, "plans": target.plans, "configuration": configuration}
    try:
        report = fit_to(source, target, options, fold)
    except TransferError as error:
        return {**plan, "fits": False, "reason": str(error), "transfer": None, "table": None}
    return {**plan, "fits": True, "reason": None, "transfer": report.to_dict(), "table": report.table()}


def _verdict(fit: Mapping[str, Any]) -> str:
    plan = f"{fit['dataset']} {fit['plans']} {fit['configuration']}"
    if not fit["fits"]:
        return f"does not fit {plan}: {fit['reason']}"
    share = fit["transfer"]["shares"]["all"]["parameters"]
    return f"fits {plan}: {share:.1%} of the parameters, segmentation heads apart\n{fit['table']}"


def _rows(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and short texts for a person to read."""
    from rasd_nnu.checkpoints.model_card import summary

    weights = content["weights"]
    rows = [
        ("file", f"{content['path']} ({content['bytes'] / 2**20:.1f} MiB)"),
        ("sha256", content["sha256"]),
        ("written by", content["kind"]),
        ("parameters", f"{weights['parameters']:,} in {weights['tensors']} tensors ({', '.join(weights['types'])})"),
        ("of these", ", ".join(f"{part} {weights[part]:,}" for part in ("encoder", "decoder", "head"))),
    ]
    if content["rasd"] is not None:
        rows += summary(content["rasd"])
    elif content["network"] is not None:
        rows += [(key, str(value)) for key, value in content["network"].items() if key != "arch_kwargs"]
    else:
        rows.append(("network", "not described in the file"))
    if content["nnunet"] is not None:
        rows += [(key, str(value)) for key, value in content["nnunet"].items()]
    resume = content["resume"]
    if resume is not None:
        state = resume.get("error") or f"at iteration {resume['iteration']}"
        rows.append(("resume file", f"{resume['path']}, {state}"))
    return rows
