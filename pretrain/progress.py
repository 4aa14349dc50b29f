"""What a run shows while it goes on: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

# Seconds between two plain lines.
_EVERY = 10.0


def duration(seconds: float) -> str:
    """Return a time as ``45 s``, ``12 min`` or ``1 h 05 min``."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


@dataclass(frozen=True)
class Status:
    """State of a run.

    Args:
        done: Iterations done.
        iterations: Iterations asked for.
        losses: Means since the last status, by `history.COLUMNS`.
        rate: Iterations a second.
    """

    done: int
    iterations: int
    losses: Mapping[str, float]
    rate: float

    def __str__(self) -> str:
        left = int((self.iterations - self.done) / self.rate)
        return (
            f"separation {self.losses['separation']:.4f}  clustering {self.losses['clustering']:.4f}  "
            f"accuracy {self.losses['accuracy']:.3f}  {self.rate:.3g} it/s  "
            f"{left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} left"
        )


class Display(Protocol):
    """Somebody who watches a run."""

    def update(self, status: Status) -> None:
        """Take note of the state of the run."""

    def message(self, text: str) -> None:
        """Take note of an event."""

    def close(self) -> None:
        """The run has ended, well or not."""


class Silent:
    """Show nothing."""

    def update(self, status: Status) -> None:
        """Show nothing."""

    def message(self, text: str) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Do nothing."""


class Lines:
    """Plain lines, one in ten seconds at most, besides the first and the last one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = -_EVERY

    def update(self, status: Status) -> None:
        """Print a line if it is time."""
        now = time.monotonic()
        if now - self._last >= _EVERY or status.done == status.iterations:
            self._last = now
            self.message(f"iteration {status.done}/{status.iterations}  {status}")

    def message(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Do nothing."""


class Bar:
    """A live bar on a terminal."""

    def __init__(self, console: Console) -> None:
        columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task("")

    def update(self, status: Status) -> None:
        """Redraw the bar."""
        self._progress.start()
        self._progress.update(self._task, completed=status.done, total=status.iterations, description=str(status))

    def message(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()


def console_display(console: Console) -> Display:
    """Return a `Bar` on a terminal, `Lines` elsewhere."""
    return Bar(console) if console.is_terminal else Lines(console)
