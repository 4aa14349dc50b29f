"""Stages of a longer job: shown, timed, logged, and skipped when their result is there."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from rasd_nnu.errors import SetupError
from rasd_nnu.files import write_text

_TAIL_LINES = 15


@dataclass
class Job:
    """Runs stages in one folder.

    A finished stage leaves ``stages/<name>.json`` with its request; a stage with the same request is skipped next
    time, so that a killed job goes on where it was. What commands print goes to ``logs/<name>.log``.

    Args:
        folder: Folder of the job.
        environment: Variables that the commands get on top of the present ones.
        console: Where to tell.
    """

    folder: Path
    environment: Mapping[str, str]
    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    def call(self, name: str, text: str, request: object, work: Callable[[], None]) -> None:
        """Run ``work`` unless a stage of this name and request is done."""
        marker = self.folder / "stages" / f"{name}.json"
        content = {"request": json.loads(json.dumps(request))}
        if marker.is_file():
            done = json.loads(marker.read_text())
            if done["request"] == content["request"]:
                self.seconds[name] = done["seconds"]
                self.console.print(f"[dim]{name:18} done before ({done['seconds']:.0f} s)[/dim]")
                return
        self.console.print(f"[bold]{name:18}[/bold] {text}", soft_wrap=True)
        begin = time.perf_counter()
        work()
        self.seconds[name] = round(time.perf_counter() - begin, 1)
        write_text(marker, json.dumps({**content, "seconds": self.seconds[name]}))
        self.console.print(f"{'':18} [dim]{self.seconds[name]:.0f} s[/dim]")

    def run(
        self,
        name: str,
        text: str,
        command: Sequence[str],
        *,
        more: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Run a command as a stage.

        Args:
            name: Name of the stage.
            text: What it does, for the reader.
            command: Program of this environment and its arguments; they are the stage's request.
            more: Further arguments that do not change the result, as those that resume.
            environment: Variables for this command only.

        Raises:
            SetupError: If the command fails; the message has the end of its output.
        """
        self.call(name, text, list(command), lambda: self._execute(name, [*command, *more], environment or {}))

    def _execute(self, name: str, command: list[str], more: Mapping[str, str]) -> None:
        self.console.print(f"{'':18} [dim]$ {shlex.join(command)}[/dim]", soft_wrap=True, highlight=False)
        program = Path(sysconfig.get_path("scripts")) / command[0]
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **self.environment, **more, "PYTHONUNBUFFERED": "1"}
        with (
            log.open("a", buffering=1) as file,
            self.console.status("") as status,
            subprocess.Popen(
                [str(program), *command[1:]],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
                env=environment,
            ) as process,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                file.write(line)
                shown = line.strip()
                if shown:
                    status.update(f"[dim]{shown[:100].replace('[', '(')}[/dim]")
        if process.returncode:
            tail = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
            self.console.print("\n".join(tail), markup=False, highlight=False)
            raise SetupError(f"{name} failed with exit code {process.returncode}; its output is in {log}.")
