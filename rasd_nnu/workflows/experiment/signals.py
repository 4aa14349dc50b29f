"""Signals for a command, passed on to the program that it runs."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class PassedOn:
    """Passes Ctrl-C, SIGTERM and SIGHUP on to a process group, and remembers the last one instead of dying from it.

    The group needs a session of its own, so that a terminal does not send Ctrl-C to it as well. Outside of the main
    thread signals are left alone.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._group: int | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> PassedOn:
        if threading.current_thread() is threading.main_thread():
            for name in _NAMES:
                number = getattr(signal, name)
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def to(self, group: int) -> None:
        """Pass on to this process group, also what came before it was there."""
        self._group = group
        if self.received is not None:
            self._send(self.received)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        self._send(self.received)

    def _send(self, number: signal.Signals) -> None:
        if self._group is not None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.killpg(self._group, number)
