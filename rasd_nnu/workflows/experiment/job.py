"""Stages of a longer job: shown, timed, logged, and skipped when their result is there and still what is asked for."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import shlex
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from rasd_nnu.errors import ConfigError, SetupError
from rasd_nnu.files import write_text
from rasd_nnu.reading import read_json_object
from rasd_nnu.workflows.experiment.signals import PassedOn

_TAIL_LINES = 15
_PACKAGES = ("rasd-nnu", "nnunetv2", "torch")
# Variables that say where things lie or how many processes work, which changes no result.
_WITHOUT_EFFECT = ("RASD_DATA", "RASD_CACHE", "nnUNet_extTrainer", "nnUNet_def_n_proc")


@dataclass(frozen=True)
class Needs:
    """What a stage depends on besides its own request.

    Args:
        after: Names of the stages, run before, whose results it uses.
        inputs: Files that it reads.
        outputs: Files and folders that it makes and nobody else writes to. They are removed when the stage is to be
            run with another request than the one that made them, and kept when it goes on.
    """

    after: Sequence[str] = ()
    inputs: Sequence[Path] = ()
    outputs: Sequence[Path] = ()


@dataclass
class Job:
    """Runs stages in one folder, which must be locked.

    A stage leaves ``stages/<name>.json`` with a stamp: a digest of its request, of the files that it reads and of the
    stamps of the stages that it builds on. Next time a finished stage is skipped if its stamp is the same and its
    outputs are there; a stage that was killed goes on with its outputs; with another stamp it starts without them.
    What commands print goes to ``logs/<name>.log``.

    Args:
        folder: Folder of the job.
        environment: Variables that the commands get on top of the present ones.
        console: Where to tell.
    """

    folder: Path
    environment: Mapping[str, str]
    console: Console
    seconds: dict[str, float] = field(default_factory=dict)
    _stamps: dict[str, str] = field(default_factory=dict)

    def call(self, name: str, text: str, request: object, work: Callable[[], None], needs: Needs = Needs()) -> None:
        """Run ``work`` unless a stage of this name and stamp is done.

        Args:
            name: Name of the stage.
            text: What it does, for the reader.
            request: All arguments and settings that decide its result; plain values.
            work: Does it.
            needs: What else decides the result, and what the result is.

        Raises:
            SetupError: If an output is there that no stage of this job made.
        """
        stamp = self._stamps[name] = self._stamp(request, needs)
        marker = self.folder / "stages" / f"{name}.json"
        known = _read(marker)
        there = all(path.exists() for path in needs.outputs)
        if known.get("stamp") == stamp and known.get("seconds") is not None and there:
            self.seconds[name] = known["seconds"]
            self.console.print(f"[dim]{name:18} done before ({known['seconds']:.0f} s)[/dim]")
            return
        self.console.print(f"[bold]{name:18}[/bold] {text}", soft_wrap=True)
        if known.get("stamp") != stamp:
            self._clear(name, needs.outputs, made_here=bool(known))
        begun = {"stamp": stamp, "request": request, "after": list(needs.after), "seconds": None}
        write_text(marker, json.dumps(begun))
        begin = time.perf_counter()
        work()
        self.seconds[name] = round(time.perf_counter() - begin, 1)
        write_text(marker, json.dumps({**begun, "seconds": self.seconds[name]}))
        self.console.print(f"{'':18} [dim]{self.seconds[name]:.0f} s[/dim]")

    def run(
        self,
        name: str,
        text: str,
        command: Sequence[str],
        *,
        more: Callable[[], Sequence[str]] = tuple,
        environment: Mapping[str, str] | None = None,
        needs: Needs = Needs(),
    ) -> None:
        """Run a command as a stage.

        Args:
            name: Name of the stage.
            text: What it does, for the reader.
            command: Program of this environment and its arguments.
            more: Gives further arguments that do not change the result, as those that resume; asked when the stage
                starts, after outputs of another request are removed.
            environment: Variables for this command only.
            needs: What else decides the result, and what the result is.

        Raises:
            SetupError: If the command fails; the message has the end of its output.
            SystemExit: If a signal ended it, with the usual code of 128 and the signal's number.
        """
        variables = {**self.environment, **(environment or {})}
        versions = {package: importlib.metadata.version(package) for package in _PACKAGES}
        request = {"command": list(command), "variables": self._with_effect(variables), "versions": versions}
        self.call(name, text, request, lambda: self._execute(name, [*command, *more()], variables), needs)

    def _stamp(self, request: object, needs: Needs) -> str:
        files = {self._shown(path): _digest(path) for path in needs.inputs}
        content = [request, files, {name: self._stamps[name] for name in needs.after}]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _with_effect(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the variables that nnU-Net and our trainers read, with paths relative to the job, which may move."""
        read = {**os.environ, **variables}
        chosen = [name for name in read if name.startswith(("RASD_", "nnUNet_")) and name not in _WITHOUT_EFFECT]
        return {name: read[name].replace(str(self.folder), ".") for name in sorted(chosen)}

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self.folder) if path.is_relative_to(self.folder) else path)

    def _clear(self, name: str, outputs: Sequence[Path], *, made_here: bool) -> None:
        """Remove what a stage made for another request."""
        for path in outputs:
            if not path.exists():
                continue
            if not made_here:
                raise SetupError(
                    f"{path} exists, and no stage of this job made it. Move it away, or give another --out."
                )
            self.console.print(
                f"{'':18} [dim]removes {self._shown(path)}, made for another request[/dim]", soft_wrap=True
            )
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _execute(self, name: str, command: list[str], variables: Mapping[str, str]) -> None:
        self.console.print(f"{'':18} [dim]$ {shlex.join(command)}[/dim]", soft_wrap=True, highlight=False)
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **variables, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
        program = Path(sysconfig.get_path("scripts")) / command[0]
        with (
            PassedOn() as signals,
            log.open("a", buffering=1, encoding="utf-8") as file,
            self.console.status("") as status,
            subprocess.Popen(
                [str(program), *command[1:]],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
                env=environment,
                start_new_session=True,
            ) as process,
        ):
            signals.to(process.pid)
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                shown = line.strip()
                if shown:
                    status.update(f"[dim]{shown[:100].replace('[', '(')}[/dim]")
        if signals.received is not None:
            # Even after exit code 0: a pre-training that is stopped saves, and is not done.
            self.console.print(f"stopped by {signals.received.name}; the same command goes on")
            raise SystemExit(128 + signals.received)
        if process.returncode:
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
            self.console.print("\n".join(tail), markup=False, highlight=False)
            raise SetupError(f"{name} failed with exit code {process.returncode}; its output is in {log}.")


def _read(marker: Path) -> dict[str, Any]:
    """Return what a stage left; empty if nothing, or nothing that can be read: the stage is then run again."""
    if not marker.is_file():
        return {}
    try:
        return read_json_object(marker)
    except ConfigError:
        return {"stamp": None}


def _digest(path: Path) -> str | None:
    """Return the SHA-256 of a file, None if it is not there."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
