"""``rasd_nnu doctor``: what is wrong with the set-up, and how to fix it."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import typer

from rasd_nnu.errors import SetupError
from rasd_nnu.nnunet.env import EXTERNAL_TRAINERS, NNUNET_FOLDERS, nnunet_folder, require_nnunet, trainers_folder

FIX_ENV = 'eval "$(rasd_nnu env)"'


@dataclass(frozen=True)
class Check:
    """One thing looked at; ``fix`` is empty when it is in order."""

    name: str
    ok: bool
    found: str
    fix: str = ""


def _nnunet_version() -> Check:
    try:
        return Check("nnunetv2", True, require_nnunet())
    except SetupError as error:
        found, _, fix = str(error).partition(" Fix it with: ")
        return Check("nnunetv2", False, found, fix)


def _folder(variable: str) -> Check:
    value = os.environ.get(variable, "")
    if not value:
        return Check(variable, False, "not set", f"export {variable}=/path/to/{variable}")
    try:
        folder = nnunet_folder(variable)
    except SetupError as error:
        return Check(variable, False, str(error), f"export {variable}=/path/to/{variable}")
    if str(folder) != str(Path(value)):
        return Check(variable, False, f"{value}, but nnU-Net does not expand '~'", f"export {variable}={folder}")
    if not folder.is_dir():
        return Check(variable, False, f"{folder} does not exist", f"mkdir -p {folder}")
    if variable != "nnUNet_raw" and not os.access(folder, os.W_OK):
        return Check(variable, False, f"{folder} cannot be written", f"chmod u+w {folder}")
    return Check(variable, True, str(folder))


def _trainer_entries() -> Iterator[Check]:
    value = os.environ.get(EXTERNAL_TRAINERS, "")
    entries = [Path(entry) for entry in value.split(os.pathsep) if entry.strip()]
    ours = trainers_folder()
    if not any(entry.resolve() == ours.resolve() for entry in entries):
        found = f"does not name {ours} (it is {value})" if entries else "not set"
        yield Check(EXTERNAL_TRAINERS, False, found, FIX_ENV)
        return
    yield Check(EXTERNAL_TRAINERS, True, value)
    for entry in entries:
        if not entry.is_dir():
            # nnU-Net skips it without a word.
            yield Check(EXTERNAL_TRAINERS, False, f"{entry} does not exist", "take it out of the variable or make it")


def _look_up() -> Check:
    """Find a trainer the way that nnU-Net does, and compare it with ours."""
    import rasd_nnu.trainers

    name = "RaSDTrainer_5epochs"
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

            found = recursive_find_trainer_class_by_name(name)
    except Exception as error:
        # Any module in any of the entries can raise anything when nnU-Net imports it.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Check("look-up", False, f"nnU-Net does not find {name}: {reason}", FIX_ENV)
    if found is not getattr(rasd_nnu.trainers, name):
        return Check("look-up", False, f"{name} is found in {found.__module__}, not in rasd_nnu.trainers", FIX_ENV)
    return Check("look-up", True, f"nnU-Net finds {name}")


def _device() -> Check:
    import torch

    if torch.cuda.is_available():
        return Check("device", True, f"cuda ({torch.cuda.get_device_name()})")
    if torch.backends.mps.is_available():
        return Check("device", True, "mps (give nnUNetv2_train -device mps)")
    return Check("device", True, "cpu only (give nnUNetv2_train -device cpu)")


def run_checks() -> list[Check]:
    """Look at everything that pre-training and training need."""
    checks = [_nnunet_version()]
    checks += [_folder(v) for v in NNUNET_FOLDERS]
    entries = list(_trainer_entries())
    checks += entries
    if checks[0].ok and entries[0].ok:
        checks.append(_look_up())
    return [*checks, _device()]


def command(as_json: bool = typer.Option(False, "--json", help="Print JSON instead of lines.")) -> None:
    """Say what is wrong with the set-up and how to fix it; exit code 1 if anything is."""
    checks = run_checks()
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        for check in checks:
            typer.echo(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.found}")
            if not check.ok:
                typer.echo(f"     fix: {check.fix}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
