"""The command lines of nnU-Net that we print or run, each written once, as lists of arguments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from rasd_nnu.nnunet.datasets import dataset_id

DEFAULT_PLANS = "nnUNetPlans"


def shown(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Return a command as a person would type it."""
    variables = [f"{name}={shlex.quote(value)}" for name, value in (environment or {}).items()]
    return " ".join([*variables, shlex.join(command)])


def plan(dataset: str, plans: str = DEFAULT_PLANS) -> list[str]:
    """Return the command that makes the plans of a data set and preprocesses it."""
    command = ["nnUNetv2_plan_and_preprocess", "-d", str(dataset_id(dataset)), "--verify_dataset_integrity"]
    match = re.fullmatch(r"nnUNetResEncUNet(M|L|XL)Plans", plans)
    return command + (["-pl", f"nnUNetPlannerResEnc{match.group(1)}"] if match else [])


def preprocess(dataset: str, plans: str, configuration: str) -> list[str]:
    """Return the command that preprocesses a data set for plans that exist."""
    return ["nnUNetv2_preprocess", "-d", str(dataset_id(dataset)), "-plans_name", plans, "-c", configuration]


def train(
    dataset: str,
    configuration: str,
    fold: str | int,
    *,
    plans: str = DEFAULT_PLANS,
    trainer: str | None = None,
    more: Sequence[str] = (),
) -> list[str]:
    """Return the command that trains one fold; what nnU-Net assumes anyway is left out."""
    command = ["nnUNetv2_train", str(dataset_id(dataset)), configuration, str(fold)]
    command += ["-tr", trainer] if trainer else []
    return command + (["-p", plans] if plans != DEFAULT_PLANS else []) + list(more)


def resuming(fold: Path) -> list[str]:
    """Return the option that goes on with the training in the folder of a fold; nothing where none has begun."""
    begun = any((fold / f"checkpoint_{name}.pth").is_file() for name in ("latest", "final"))
    return ["--c"] if begun else []


def predict(
    dataset: str, configuration: str, trainer: str, plans: str, folds: Sequence[str], source: str, out: str
) -> list[str]:
    """Return the command that predicts a folder of images."""
    return ["nnUNetv2_predict", "-i", source, "-o", out, *_model(dataset, configuration, trainer, plans, folds)]


def pack(
    dataset: str, configuration: str, trainer: str, plans: str, folds: Sequence[str], out: str | Path
) -> list[str]:
    """Return the command that packs a model into a zip file."""
    model = _model(dataset, configuration, trainer, plans, folds)
    return ["nnUNetv2_export_model_to_zip", "-o", str(out), *model]


def _model(dataset: str, configuration: str, trainer: str, plans: str, folds: Sequence[str]) -> list[str]:
    name = ["-d", str(dataset_id(dataset)), "-c", configuration, "-tr", trainer, "-p", plans]
    return [*name, "-f", *folds]
