"""Options that `rasd_nnu compare` and `rasd_nnu report` share: what to compare, and how."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rasd_nnu.cli.options import whole_number
from rasd_nnu.errors import CompareError

if TYPE_CHECKING:
    from rasd_nnu.workflows.units import Selection

Datasets = Annotated[list[str] | None, typer.Argument(help="Ids or full names of data sets.")]
Configuration = Annotated[
    list[str] | None, typer.Option("-c", "--configuration", help="Configuration, such as 3d_fullres; repeat, or 2d,3d.")
]
Plans = Annotated[str, typer.Option("-p", "--plans", help="Plans name.")]
Trainer = Annotated[str, typer.Option("--trainer", help="Trainer of arm A.")]
Vs = Annotated[str, typer.Option("--vs", help="The control: 'scratch', the name of an arm, or a trainer.")]
Arms = Annotated[
    list[str] | None,
    typer.Option("--arms", help="Several arms against --vs: rasd,voco; or records: rasd=FOLDER,scratch=FOLDER."),
]
Folds = Annotated[
    list[str] | None, typer.Option("-f", "--fold", help="Fold; repeat, or 0,1,2. Default: all that are there.")
]
Seeds = Annotated[str, typer.Option("--seeds", help="Seeds, such as 0,1,2: crossed with the patients.")]
Tasks = Annotated[list[str] | None, typer.Option("--task", help="Key of a dataset spec, instead of a data set.")]
Everything = Annotated[bool, typer.Option("--all", help="All data sets in nnUNet_results that have the arms.")]
StudyFolder = Annotated[Path | None, typer.Option("--study", help="Folder of a study, with records.json.")]
Predictions = Annotated[
    Path | None, typer.Option("--predictions", help="Test predictions: a folder with one folder a trainer.")
]
RecordsA = Annotated[list[Path] | None, typer.Option("--a", help="Instead of a data set: records or folder of arm A.")]
RecordsB = Annotated[list[Path] | None, typer.Option("--b", help="The same for arm B. Both may be repeated.")]
NameA = Annotated[str | None, typer.Option("--name-a", help="What to call arm A.")]
NameB = Annotated[str | None, typer.Option("--name-b", help="What to call arm B.")]
Groups = Annotated[
    Path | None,
    typer.Option("--groups", help="CSV with columns case, group. Default: cases.csv of the data set."),
]
NanRuleName = Annotated[str, typer.Option("--nan-rule", help="'reference', or 'both-empty-is-1'.")]
Metrics = Annotated[list[str] | None, typer.Option("--metrics", help="dice,nsd,hd95 of segmentations.")]
Tolerance = Annotated[float, typer.Option("--tolerance", help="Tolerance of nsd in mm.")]
AllowUnmatched = Annotated[bool, typer.Option("--allow-unmatched", help="Leave out cases that not all runs have.")]
AllowRecipeDiff = Annotated[
    bool, typer.Option("--allow-recipe-diff", help="Compare arms that differ in more than the initial weights.")
]
Margin = Annotated[float | None, typer.Option("--margin", help="Margin of non-inferiority and equivalence.")]
Detect = Annotated[float | None, typer.Option("--detect", help="Difference whose sample size is asked for.")]
Rope = Annotated[float, typer.Option("--rope", help="Over data sets, differences up to this count as equal.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of bootstrap and permutations.")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Processes for nsd and hd95.")]


def words(values: Sequence[str] | None) -> list[str]:
    """Split ``a,b`` and repeated options into different words, in order."""
    found = [word.strip() for text in values or [] for word in text.split(",")]
    return list(dict.fromkeys(word for word in found if word))


def numbers(seeds: str) -> list[int]:
    """Split ``0,1,2`` into different numbers."""
    found = [word.strip() for word in seeds.split(",")] if seeds else []
    values = [number for word in found if (number := whole_number(word)) is not None]
    if len(values) < len(found) or len(set(values)) < len(values):
        raise CompareError(f"--seeds {seeds[:80]!r} is not a list of different numbers, such as --seeds 0,1,2")
    return values


def selection(options: dict[str, Any]) -> Selection:
    """Return the selection that the options of a command, by the names of its fields, ask for."""
    from rasd_nnu.workflows.units import Selection

    margin, rope = options["margin"], options["rope"]
    if margin is not None and not margin > 0:
        raise CompareError(f"--margin is {margin}, expected a difference above 0; for Dice 0.01 (one point) is usual")
    if not rope >= 0:
        raise CompareError(f"--rope is {rope}, expected a difference of 0 or more")
    lists = ("configurations", "arms", "folds", "metrics")
    split = {name: words(options[name]) for name in lists}
    split["metrics"] = [name.lower() for name in split["metrics"]] or ["dice"]
    plain = {name: options[name] or () for name in ("datasets", "tasks", "a", "b")}
    return Selection(**{**options, **split, **plain, "seeds": numbers(options["seeds"])})
