"""``rasd_nnu study``: tasks x arms x seeds x folds x labelled cases x budgets, on one machine or a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Many trainings from one YAML, on one machine or a cluster: new, show, run, status, collect.",
)

Folder = Annotated[Path, typer.Argument(help="Folder of the study, with study.yaml.", show_default=False)]


@app.command("new")
def new(
    folder: Folder,
    name: Annotated[str | None, typer.Option(help="Name of the study; default: that of the folder.")] = None,
) -> None:
    """Write a study.yaml to fill in."""
    from rasd_nnu.workflows.study.template import write_template

    path = write_template(folder, name)
    typer.echo(f"wrote {path}: edit it, then look at it with: rasd_nnu study show {folder}")


@app.command("show")
def show(
    folder: Folder,
    commands: Annotated[bool, typer.Option("--commands", help="Print the command of every job.")] = False,
) -> None:
    """Say what the study comes to: jobs, hours, disk; nothing is written or run."""
    from rasd_nnu.workflows.study.estimate import describe
    from rasd_nnu.workflows.study.run import check_study, plan_study, tell_plan, to_do

    planned = plan_study(folder)
    check_study(planned)
    if commands:
        for job in planned.grid.jobs.values():
            typer.echo(job.line)
        return
    reasons = to_do(planned)
    tell_plan(planned, reasons, typer.echo)
    for line in describe(planned, reasons):
        typer.echo(line)


@app.command("run", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(
    context: typer.Context,
    folder: Folder,
    cores: Annotated[int | None, typer.Option(help="Cores of this machine; default: all.", min=1)] = None,
    gpus: Annotated[int | None, typer.Option(help="GPUs of this machine; default: all.", min=1)] = None,
    dry_run: Annotated[bool, typer.Option("-n", "--dry-run", help="Say what would be run, and why.")] = False,
    profile: Annotated[str | None, typer.Option(help="Snakemake's profile, for a cluster.")] = None,
) -> None:
    """Do what is missing or changed. What follows -- goes to Snakemake.

    Stopped or killed, the same command goes on.
    """
    import os

    from rasd_nnu.dataset_specs.locations import core_count
    from rasd_nnu.workflows.study.estimate import describe
    from rasd_nnu.workflows.study.launch import visible_gpus
    from rasd_nnu.workflows.study.run import check_study, plan_study, require_engine, run_study, to_do

    require_engine()
    planned = plan_study(folder)
    check_study(planned)
    for line in describe(planned, to_do(planned)):
        typer.echo(line)
    code = run_study(
        planned,
        cores=cores or core_count(),
        gpus=gpus or max(1, len(visible_gpus(os.environ))),
        dry_run=dry_run,
        profile=profile,
        more=context.args,
        tell=typer.echo,
    )
    if code:
        _tell_status(folder)
    raise typer.Exit(code)


@app.command("status")
def status(
    folder: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is done, running and failed, and how long the rest takes."""
    import json

    from rasd_nnu.workflows.study.status import study_status

    if as_json:
        typer.echo(json.dumps(study_status(folder).to_dict(), indent=2))
    else:
        _tell_status(folder)


def _tell_status(folder: Path) -> None:
    from rasd_nnu.workflows.study.status import study_status

    for line in study_status(folder).lines():
        typer.echo(line)


@app.command("collect")
def collect_records(folder: Folder) -> None:
    """Write records.json of the trainings that are done, for `rasd_nnu compare --study` and `report --study`."""
    from rasd_nnu.workflows.study.collect import collect

    records, missing = collect(folder)
    rest = f", {missing} are still missing" if missing else ""
    typer.echo(f"{folder / 'records.json'}: {len(records.units)} trainings{rest}")
    typer.echo(f"next: rasd_nnu compare --study {folder}{' --allow-unmatched' if missing else ''}")


@app.command("job", hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def job(
    context: typer.Context,
    folder: Folder,
    name: Annotated[str, typer.Argument(help="stage/name of the job.")],
) -> None:
    """Run the command after -- as a job of the study, as the workflow does."""
    from rasd_nnu.workflows.study.launch import run_job
    from rasd_nnu.workflows.study.state import last_line, log_path

    code = run_job(folder, name, context.args)
    if code:
        typer.echo(f"{name} ended with exit code {code}: {last_line(log_path(folder, name))}", err=True)
    raise typer.Exit(code)
