"""``rasd_nnu tasks``: list, show, check, prepare and download the dataset specs, and draft new ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The dataset specs: list, show, check, prepare, download, new."
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Key = Annotated[
    str, typer.Argument(help="Key, id or DatasetNNN_Name of a task, or a spec's YAML file.", show_default=False)
]
Dataset = Annotated[str, typer.Argument(help="Id or full name of a data set in nnUNet_raw.", show_default=False)]
Source = Annotated[
    Path | None,
    typer.Option(
        help="Unpacked official release; default: under RASD_DATA, else it is downloaded.", show_default=False
    ),
]


@app.command("list")
def list_tasks(
    modality: Annotated[str | None, typer.Option(help="Only this modality.", show_default=False)] = None,
    task: Annotated[str | None, typer.Option(help="segmentation, classification or detection.")] = None,
    access: Annotated[str | None, typer.Option(help="open, registration or request.")] = None,
    as_json: AsJson = False,
) -> None:
    """List all tasks: what, how many cases, licence, where to get them."""
    import json

    from rasd_nnu.dataset_specs.registry import list_specs, select

    specs = select(list_specs(), modality=modality, task=task, access=access)
    fields = {"key", "id", "title", "modality", "dims", "task", "access", "licence", "homepage"}
    rows = [spec.model_dump(mode="json", include=fields) | {"cases": spec.layout.cases} for spec in specs]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    width = max((len(row["key"]) for row in rows), default=0)
    for row in rows:
        kind = f"{row['modality']} {row['dims']}D {row['task']}"
        cases = "?" if row["cases"] is None else str(row["cases"])
        licence = row["licence"] or "licence unknown"
        typer.echo(
            f"{row['id']:>4}  {row['key']:<{width}}  {kind:<29}  {cases:>6}  {row['access']:<12}  {row['title']}; "
            f"{licence}; {row['homepage']}"
        )


@app.command("show")
def show_task(key: Key, as_json: AsJson = False) -> None:
    """Print all that the spec of a task holds."""
    import json

    import yaml

    from rasd_nnu.dataset_specs.registry import get_spec

    content = get_spec(key).model_dump(mode="json", exclude_none=True)
    if as_json:
        typer.echo(json.dumps(content, indent=2))
        return
    filled = {name: value for name, value in content.items() if value not in ([], {})}
    typer.echo(yaml.safe_dump(filled, sort_keys=False, allow_unicode=True, width=110).rstrip())


@app.command("check")
def check_task(
    key: Key,
    source: Annotated[Path, typer.Option(help="Unpacked official release.", show_default=False)],
    voxels: Annotated[bool, typer.Option("--voxels", help="Also read and convert every case; nothing is written.")] = (
        False
    ),
) -> None:
    """Say what a download holds and what is missing, before any work."""
    from rasd_nnu.dataset_specs.check import check
    from rasd_nnu.dataset_specs.registry import get_spec
    from rasd_nnu.errors import DatasetError

    spec = get_spec(key)
    report = check(spec, source, voxels, _progress)
    for line in report.found:
        typer.echo(line)
    for line in report.warnings:
        typer.echo(f"warning: {line}")
    if report.problems:
        more = f"; and {len(report.problems) - 5} more" if len(report.problems) > 5 else ""
        raise DatasetError("; ".join(report.problems[:5]) + more)
    typer.echo(f"next: rasd_nnu tasks prepare {key} --source {source}")


@app.command("prepare")
def prepare_task(
    key: Key,
    source: Source = None,
    split: Annotated[str, typer.Option(help="default: by patient. paper: as the paper did.")] = "default",
    id: Annotated[
        int | None, typer.Option(help="Number of the data set instead of the spec's.", min=1, max=999)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that convert; default: all cores.", min=1, show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing data set.")] = False,
    leave_out: Annotated[bool, typer.Option("--leave-out", help="Go on without unusable cases, naming them.")] = False,
) -> None:
    """Turn an official release into nnU-Net's raw format, in the folder that nnUNet_raw names."""
    from rasd_nnu.dataset_specs.locations import core_count, raw_folder
    from rasd_nnu.dataset_specs.prepare import prepare
    from rasd_nnu.dataset_specs.registry import get_spec
    from rasd_nnu.errors import ConfigError
    from rasd_nnu.nnunet.commands import plan, shown

    spec = get_spec(key)
    if id is not None:
        spec = spec.model_copy(update={"id": id})
    if split not in ("default", "paper"):
        raise ConfigError(f"--split is {split!r}; expected default or paper.")
    kind: Any = split
    prepared = prepare(
        spec,
        source,
        raw_folder(),
        overwrite,
        track=_progress,
        split=kind,
        workers=workers or core_count(),
        leave_out=leave_out,
    )
    state = f"{prepared.converted} converted now" if prepared.converted else "no case to convert, all are up to date"
    typer.echo(f"{spec.dataset_name}: {len(prepared.cases)} cases in {prepared.path} ({state})")
    for warning in prepared.warnings:
        typer.echo(f"warning: {warning}")
    licence = spec.licence or f"unknown, {spec.unknown['licence']}"
    typer.echo(f"licence: {licence}; cite: {spec.citation[0]}")
    if spec.task == "classification":
        from rasd_nnu.tasks.classification.stand_in import write_stand_ins

        write_stand_ins(prepared.path, lambda cases: _progress(cases, len(cases), "stand-in label maps"))
    elif spec.task == "detection":
        from rasd_nnu.tasks.detection.data import read_data
        from rasd_nnu.tasks.detection.stand_in import write_stand_ins as fill_boxes

        data = read_data(prepared.path)
        fill_boxes(data, lambda cases: _progress(cases, len(data.cases), "label maps of the boxes"))
    typer.echo(f"next: {shown(plan(spec.dataset_name))}")


@app.command("plan")
def plan_task(
    dataset: Dataset,
    configurations: Annotated[list[str], typer.Option("-c", "--configuration", help="Configuration; may be repeated.")],
    plans: Annotated[str, typer.Option("-p", "--plans", help="nnUNetPlans or nnUNetResEncUNet(M|L|XL)Plans.")] = (
        "nnUNetPlans"
    ),
    compact: Annotated[
        int | None,
        typer.Option(help="Add a narrow twin, <configuration>_compact, with so many features at first.", min=1),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Batch size of the narrow twin.", min=1)] = 2,
    workers: Annotated[int | None, typer.Option(help="Processes; default: all cores.", min=1)] = None,
) -> None:
    """Let nnU-Net plan and preprocess a prepared data set, one of classification as well."""
    from rasd_nnu.dataset_specs.locations import core_count
    from rasd_nnu.nnunet.datasets import dataset_name
    from rasd_nnu.workflows.study.planning import plan_dataset

    narrow = None if compact is None else (compact, batch_size)
    plan_dataset(dataset_name(dataset), configurations, plans, workers or core_count(), narrow)


@app.command("split")
def split_task(
    dataset: Dataset,
    draws: Annotated[list[str], typer.Argument(help="FOLD:COUNT:SEED, or FOLD:all:-; one fold of nnU-Net's each.")],
    validation_cases: Annotated[
        int | None, typer.Option(help="Judge on so many cases of a fold, drawn by patient, instead of all.", min=1)
    ] = None,
) -> None:
    """Draw labelled cases by patient, nested, into the splits_final.json of a planned data set."""
    from rasd_nnu.nnunet.datasets import dataset_name
    from rasd_nnu.nnunet.env import nnunet_folder
    from rasd_nnu.workflows.study.draw import parse_draw
    from rasd_nnu.workflows.study.splits import write_draws

    name = dataset_name(dataset)
    raw, preprocessed = (nnunet_folder(variable) / name for variable in ("nnUNet_raw", "nnUNet_preprocessed"))
    file = write_draws(raw, preprocessed, [parse_draw(draw) for draw in draws], validation_cases)
    typer.echo(f"{file}: {len(draws)} folds")


@app.command("download")
def download_task(key: Key) -> None:
    """Download a release where licence and access allow a program to, and print its folder."""
    from rasd_nnu.dataset_specs.download import download_release
    from rasd_nnu.dataset_specs.registry import get_spec

    typer.echo(str(download_release(get_spec(key))))


@app.command("bibtex")
def print_bibtex(key: Key) -> None:
    """Print the publications to cite as BibTeX."""
    from rasd_nnu.dataset_specs.bibtex import to_bibtex
    from rasd_nnu.dataset_specs.registry import get_spec

    typer.echo(to_bibtex(get_spec(key)))


@app.command("new")
def new_task(
    name: Annotated[str, typer.Argument(help="Name of the data set.", show_default=False)],
    folder: Annotated[Path, typer.Option("--from", help="Folder with images and label maps.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="YAML to write; default: KEY.yaml here.", show_default=False)
    ] = None,
) -> None:
    """Draft a spec for your own data; what is guessed is marked."""
    from rasd_nnu.dataset_specs.draft import draft_spec
    from rasd_nnu.dataset_specs.parse import parse_spec
    from rasd_nnu.dataset_specs.registry import list_specs
    from rasd_nnu.errors import DatasetError
    from rasd_nnu.files import write_text

    text = draft_spec(name, folder, [spec.id for spec in list_specs()])
    spec = parse_spec(text, "the draft")
    path = output or Path(f"{spec.key}.yaml")
    if path.exists():
        raise DatasetError(f"{path} exists; give another one with --output, or remove it.")
    write_text(path, text)
    typer.echo(f"{path}: {spec.layout.cases} cases, {text.count('# guessed')} guesses to check")
    typer.echo(f"next: rasd_nnu tasks check {path} --source {folder}")


@app.command("docs")
def write_docs(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for reference/tasks.md and tasks/.")] = Path(
        "docs"
    ),
) -> None:
    """Write a table of all tasks and a page a task, as Markdown."""
    from rasd_nnu.dataset_specs.pages import all_pages
    from rasd_nnu.dataset_specs.registry import list_specs
    from rasd_nnu.files import write_text

    pages = all_pages(list_specs())
    for name, text in pages.items():
        write_text(output / name, text)
    typer.echo(f"{len(pages)} pages in {output}")


@app.command("schema")
def print_schema() -> None:
    """Print the JSON schema of a spec, for editors."""
    import json

    from rasd_nnu.dataset_specs.schema import DatasetSpec

    typer.echo(json.dumps(DatasetSpec.model_json_schema(), indent=2))


def _progress(items: Iterable[Any], total: int, description: str) -> Iterable[Any]:
    """Show a progress bar on stderr, so that stdout holds the result only."""
    from rich.console import Console
    from rich.progress import track

    return track(items, description, total, console=Console(stderr=True), transient=True)
