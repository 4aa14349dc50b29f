"""``rasd_nnu compare``: paired comparison of two arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from rasd_nnu.errors import CompareError

Summaries = Mapping[int | None, Sequence[Path]]


def command(
    dataset: Annotated[str | None, typer.Argument(help="Id or full name of the data set.")] = None,
    configuration: Annotated[
        str | None, typer.Option("-c", "--configuration", help="Configuration, such as 3d_fullres.")
    ] = None,
    plans: Annotated[str, typer.Option("-p", "--plans", help="Plans name.")] = "nnUNetPlans",
    trainer: Annotated[str, typer.Option("--trainer", help="Trainer of arm A.")] = "RaSDTrainer",
    vs: Annotated[
        str, typer.Option("--vs", help="'scratch', the name of an arm, or the trainer of arm B.")
    ] = "scratch",
    folds: Annotated[
        list[str] | None, typer.Option("-f", "--fold", help="Fold; repeat, or 0,1,2. Default: all that are there.")
    ] = None,
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds to average over, such as 0,1,2.")] = "",
    a: Annotated[
        list[Path] | None, typer.Option("--a", help="Instead of a data set: summary.json or folder of arm A.")
    ] = None,
    b: Annotated[list[Path] | None, typer.Option("--b", help="The same for arm B. Both may be repeated.")] = None,
    name_a: Annotated[str | None, typer.Option("--name-a", help="What to call arm A.")] = None,
    name_b: Annotated[str | None, typer.Option("--name-b", help="What to call arm B.")] = None,
    groups: Annotated[
        Path | None,
        typer.Option("--groups", help="CSV with columns case, group. Default: cases.csv of the data set."),
    ] = None,
    nan_rule: Annotated[str, typer.Option("--nan-rule", help="'reference', or 'both-empty-is-1'.")] = "reference",
    allow_unmatched: Annotated[
        bool, typer.Option("--allow-unmatched", help="Leave out cases that not all runs have.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of bootstrap and permutations.")] = 0,
    json_file: Annotated[str | None, typer.Option("--json", help="Write everything here; - prints it.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the paired cases here.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Compare two arms case by case: difference, interval, p-values, and what n allows to say.

    Either DATASET with -c, which looks in nnUNet_results, or --a and --b.
    """
    from rich.console import Console

    from rasd_nnu.compare import compare_summaries, export
    from rasd_nnu.compare.render import print_comparison
    from rasd_nnu.compare.scoring import parse_nan_rule
    from rasd_nnu.files import write_text

    json_path = Path(json_file) if json_file and json_file != "-" else None
    export.check_writable([path for path in (json_path, csv_file) if path], overwrite)
    if a or b:
        _refuse_both_ways({"DATASET": dataset, "-c": configuration, "-f": folds, "--seeds": seeds})
        sources, names = _explicit(a, b)
    else:
        wanted = [fold.strip() for text in folds or [] for fold in text.split(",")]
        sources, names = _trained(dataset, configuration, plans, (trainer, vs), wanted, _numbers(seeds))
        groups = groups or _groups_of(dataset)
    comparison = compare_summaries(
        *sources,
        names=(name_a or names[0], name_b or names[1]),
        nan_rule=parse_nan_rule(nan_rule),
        groups=groups,
        allow_unmatched=allow_unmatched,
        seed=seed,
    )
    if json_path:
        write_text(json_path, export.to_json(comparison))
    if csv_file:
        write_text(csv_file, export.to_csv(comparison))
    if json_file == "-":
        typer.echo(export.to_json(comparison), nl=False)
    else:
        print_comparison(comparison, Console())


def _refuse_both_ways(given: Mapping[str, object]) -> None:
    """Refuse options that find trainings in nnUNet_results when the summaries are named."""
    extra = [name for name, value in given.items() if value]
    if extra:
        raise CompareError(
            f"got --a or --b together with {', '.join(extra)}, which look in nnUNet_results; give one or the other"
        )


def _explicit(a: list[Path] | None, b: list[Path] | None) -> tuple[tuple[Summaries, Summaries], tuple[str, str]]:
    """Return the summaries that --a and --b name, and the arms' names."""
    from rasd_nnu.compare.locate import summaries_in

    if not a or not b:
        raise CompareError(f"got only --{'a' if a else 'b'}; a comparison needs --a and --b")
    return ({None: summaries_in(a)}, {None: summaries_in(b)}), ("A", "B")


def _trained(
    dataset: str | None,
    configuration: str | None,
    plans: str,
    trainers: tuple[str, str],
    folds: list[str],
    seeds: list[int],
) -> tuple[tuple[Summaries, Summaries], tuple[str, str]]:
    """Return the summaries of two trainers' trainings in nnUNet_results, and the trainers' names."""
    from rasd_nnu.compare.locate import arm_trainings, find_summaries, other_trainer
    from rasd_nnu.nnunet.datasets import dataset_name
    from rasd_nnu.nnunet.env import nnunet_folder

    if dataset is None or configuration is None:
        raise CompareError(
            "nothing to compare: give a data set and its configuration, as in `rasd_nnu compare 4 -c 3d_fullres "
            "--trainer RaSDTrainer --vs scratch`, or two summaries with --a and --b"
        )
    results, name = nnunet_folder("nnUNet_results"), dataset_name(dataset)
    names = (trainers[0], other_trainer(*trainers))
    arms = [arm_trainings(results, name, trainer, plans, configuration, seeds) for trainer in names]
    first, second = find_summaries(arms, folds)
    return (first, second), names


def _groups_of(dataset: str | None) -> Path | None:
    """Return the ``cases.csv`` that the data set's preparation left, if it did."""
    from rasd_nnu.nnunet.datasets import dataset_name
    from rasd_nnu.nnunet.env import nnunet_folder

    path = nnunet_folder("nnUNet_raw") / dataset_name(dataset or "") / "cases.csv"
    return path if path.is_file() else None


def _numbers(seeds: str) -> list[int]:
    """Split ``0,1,2`` into different numbers."""
    words = [word.strip() for word in seeds.split(",")] if seeds else []
    if not all(word.isdigit() for word in words) or len(set(words)) < len(words):
        raise CompareError(f"--seeds {seeds!r} is not a list of different numbers, such as --seeds 0,1,2")
    return [int(word) for word in words]
