"""What the folders around the summaries tell: recipe, transferred share, label names, unfinished training."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from rasd_nnu.errors import CompareError, first_problem
from rasd_nnu.nnunet.results import FINAL_CHECKPOINT, MODEL, fold_folder
from rasd_nnu.nnunet.trainer_names import TRANSFER_OPTIONS, parse_name
from rasd_nnu.reading import read_json_object

# Attributes of the trainer, as nnU-Net writes them to debug.json, that make the recipe of a training.
RECIPE_KEYS = (
    "configuration_name",
    "num_epochs",
    "num_iterations_per_epoch",
    "num_val_iterations_per_epoch",
    "batch_size",
    "initial_lr",
    "weight_decay",
    "optimizer",
    "loss",
    "oversample_foreground_percent",
    "probabilistic_oversampling",
    "enable_deep_supervision",
    "dataloader_train.transform",
    "dataloader_train.generator.transforms",
    "device",
    "gpu_name",
    "torch_version",
)
TRANSFER_REPORT = "transfer_report.json"
# Where the initial weights come from is what the arms are meant to differ in.
IGNORED_PLANS_KEYS = ("pretrain_info",)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
# The rate of the moment at which debug.json was written: a training that goes on writes it again, later.
_PRESENT_RATE = re.compile(r"^ *lr: .*\n?", re.MULTILINE)
_SHOWN = 60  # characters of a value
_CLOCK_SLACK_S = 60  # copying a folder may shuffle modification times by so much


class _LearnedFrom(BaseModel):
    dataset: str
    fold: int | str
    cases: list[str]


class _Checkpoint(BaseModel):
    learned_from: _LearnedFrom | None = None


class _TransferReport(BaseModel):
    dataset: str | None = None
    checkpoint: _Checkpoint | None = None
    recipe: dict[str, Any] = {}
    versions: dict[str, Any] = {}


class _DatasetLabels(BaseModel):
    labels: dict[str, int | list[int]] = {}


_MODELS: dict[str, type[BaseModel]] = {TRANSFER_REPORT: _TransferReport, "dataset.json": _DatasetLabels}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CompareError: If the file is damaged.
    """
    content = read_json_object(path, CompareError, "Correct or remove the file.")
    model = _MODELS.get(path.name)
    if model is None:
        return content
    try:
        model.model_validate(content)
    except ValidationError as error:
        raise CompareError(f"{path} is damaged: {first_problem(error)}. Correct or remove the file.") from None
    return content


def find_beside(summary: Path, name: str) -> Path | None:
    """Find a file of nnU-Net's in the folder of the summary, in its fold or in its model folder."""
    fold = fold_folder(summary)
    folders = [summary.parent] + ([fold, fold.parent] if fold else [])
    return next((f / name for f in folders if (f / name).is_file()), None)


def recipe_differences(a: Sequence[Path], b: Sequence[Path]) -> list[str]:
    """List what differs between two arms in plans, data set description and trainer settings.

    The trainer's name and the folders it writes to differ by design and are not looked at.

    Args:
        a: Summaries of arm A.
        b: Summaries of arm B; they are compared with those of A in order.

    Returns:
        One line a difference, ``file: key: value of A | value of B``; nothing where a file is missing.
    """
    found: dict[str, None] = {}  # an ordered set: several folds give the same lines
    for one, other in zip(a, b, strict=False):
        for name in ("plans.json", "dataset.json", "debug.json", TRANSFER_REPORT):
            paths = find_beside(one, name), find_beside(other, name)
            if paths[0] and paths[1] and paths[0] != paths[1]:
                left, right = (_recipe(read_json(path), name) for path in paths if path)
                found.update(dict.fromkeys(f"{name}: {line}" for line in _differences(left, right)))
    return list(found)


def _recipe(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Keep the part of a file that belongs to the recipe."""
    if name == "debug.json":
        return {k: without_addresses(content[k]) for k in RECIPE_KEYS if k in content}
    if name == TRANSFER_REPORT:
        recipe = {k: v for k, v in content.get("recipe", {}).items() if k not in TRANSFER_OPTIONS}
        return {"recipe": recipe, "versions": content.get("versions", {})}
    return {k: v for k, v in content.items() if k not in IGNORED_PLANS_KEYS}


def without_addresses(value: Any) -> str:
    """Return a value of ``debug.json`` without addresses of objects and the present rate, which differ between runs."""
    return _PRESENT_RATE.sub("", _ADDRESS.sub("", str(value)))


def _differences(a: Any, b: Any, key: str = "") -> Iterator[str]:
    """Walk through two nested dictionaries and yield a line for each value that differs."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted(a.keys() | b.keys()):
            yield from _differences(a.get(name), b.get(name), f"{key}.{name}" if key else name)
    elif a != b:
        yield f"{key}: {_short(a)} | {_short(b)}"


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def of_environment(line: str) -> bool:
    """Tell whether a line of `recipe_differences` is of machine and versions, which are listed but are no recipe."""
    return line.startswith(("debug.json: device:", "debug.json: gpu_name:", "debug.json: torch_version:")) or (
        line.startswith(f"{TRANSFER_REPORT}: versions")
    )


def refuse_recipe_differences(comparison_title: str, lines: Sequence[str]) -> None:
    """Refuse to call a difference an effect of the pre-training where plans, budget or recipe differ, too.

    Raises:
        CompareError: If a line is of more than machine and versions.
    """
    wrong = [line for line in lines if not of_environment(line)]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise CompareError(
            f"{comparison_title}: the arms differ in more than the initial weights: {wrong[0]}{more}; expected one "
            f"recipe, "
            "so that the difference is the effect of the pre-training. Train both arms alike, or compare all the "
            "same with --allow-recipe-diff."
        )


def recipe_unknown(a: Sequence[Path], b: Sequence[Path]) -> str | None:
    """Return the first file telling the recipe that some summary lacks, so that it was not compared; else None."""
    names = ("plans.json", "debug.json")
    return next((name for name in names if not all(find_beside(path, name) for path in (*a, *b))), None)


def recipe_reported(a: Sequence[Path], b: Sequence[Path]) -> bool:
    """Tell whether a ``transfer_report.json`` with the recipe lies beside all records, as our own tasks write it."""
    reports = [find_beside(path, TRANSFER_REPORT) for path in (*a, *b)]
    return all(path is not None and bool(read_json(path).get("recipe")) for path in reports)


def transferred_share(summaries: Sequence[Path]) -> float | None:
    """Return the smallest share of parameters, segmentation heads apart, that any fold took from the checkpoint.

    Returns:
        A share from 0 to 1, or None where no fold's ``transfer_report.json`` tells of a transfer (scratch arm).

    Raises:
        CompareError: If a report is damaged.
    """
    reports = [path for path in (find_beside(s, TRANSFER_REPORT) for s in summaries) if path]
    shares = []
    for path in reports:
        try:
            transfer = read_json(path)["transfer"]
            if transfer is not None:
                shares.append(float(transfer["shares"]["all"]["parameters"]))
        except (KeyError, TypeError, ValueError):
            raise CompareError(
                f"{path} has no number at transfer.shares.all.parameters. Remove it or train again."
            ) from None
    return min(shares, default=None)


def refuse_leaks(arm: str, origin: Mapping[str, Path]) -> None:
    """Refuse scores of cases that the weights which a training began with had learned from.

    Args:
        arm: Name of the arm.
        origin: Case -> the file with its score.

    Raises:
        CompareError: Naming a case.
    """
    for path in dict.fromkeys(origin.values()):
        dataset, learned = _learned_from(path)
        if learned is None or learned.dataset != dataset:
            continue
        for case in learned.cases:
            if origin.get(case) == path:
                raise CompareError(
                    f"{arm}: {path} scores {case!r}, which the weights it began with had learned from (fold "
                    f"{learned.fold} of {learned.dataset}), so that it says nothing about new cases. Pre-train for "
                    "this fold and train again."
                )


def _learned_from(summary: Path) -> tuple[str | None, _LearnedFrom | None]:
    """Return the data set of a training, and the cases that the weights it began with had learned from."""
    path = find_beside(summary, TRANSFER_REPORT)
    if path is None:
        return None, None
    report = _TransferReport.model_validate(read_json(path))
    return report.dataset, None if report.checkpoint is None else report.checkpoint.learned_from


def label_names(summaries: Sequence[Path]) -> dict[str, str]:
    """Return label -> name from ``dataset.json`` beside the first summary; empty where there is none."""
    path = find_beside(summaries[0], "dataset.json")
    labels = read_json(path).get("labels", {}) if path else {}
    return {_label_key(value): str(name) for name, value in labels.items()}


def _label_key(value: int | list[int]) -> str:
    """Write a label or region as nnU-Net does in ``summary.json``."""
    return str(tuple(value)) if isinstance(value, list) else str(value)


def warnings_of(arm: str, summaries: Sequence[Path]) -> list[str]:
    """Return what is suspicious about the trainings of an arm, as far as they are in nnU-Net's folders."""
    folds = [(summary, fold_folder(summary)) for summary in summaries]
    return [f"{arm}: {line}" for summary, fold in folds if fold for line in _suspicions(summary, fold)]


def _suspicions(summary: Path, fold: Path) -> Iterator[str]:
    """Yield what is suspicious about one fold: unfinished, outdated, on training cases or not pre-trained."""
    trainer = parse_name(fold.parent.name.split("__")[0])
    by_nnunet = trainer is None or trainer.kind == "Trainer"
    checkpoint = fold / (FINAL_CHECKPOINT if by_nnunet else MODEL)
    if not checkpoint.is_file():
        yield f"{checkpoint} is missing; the training may not have ended"
    elif by_nnunet and checkpoint.stat().st_mtime > summary.stat().st_mtime + _CLOCK_SLACK_S:
        yield f"{summary} is older than {FINAL_CHECKPOINT}; validate again with --val"
    if fold.name == "fold_all":
        yield "fold 'all' validates on its own training cases; this says nothing about new ones"
    learned = _learned_from(summary)[1]
    if learned is not None:
        yield (
            f"{fold} began with weights that had learned from the label maps of {len(learned.cases)} training cases "
            f"of fold {learned.fold} of {learned.dataset}; none of them is scored"
        )
    if trainer and trainer.arm != "scratch" and transferred_share([summary]) is None:
        yield f"{fold} has no {TRANSFER_REPORT} with a transfer; nothing shows that it began pre-trained"
