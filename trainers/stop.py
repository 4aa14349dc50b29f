"""Stop between two epochs when a scheduler asks for it."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

#: What schedulers send before they take a machine away; Ctrl-C ends a training at once, as always.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Remembers SIGTERM and SIGUSR1 instead of dying from them; outside of the main thread signals are left alone.

    Processes that are forked meanwhile die from them as always: pools end their workers by SIGTERM.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)

    @staticmethod
    def lift() -> None:
        """Let the signals end the process again."""
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_DFL)


def _forget() -> None:
    """In a process that was just forked: let the signals end it."""
    for number in STOP_SIGNALS:
        if isinstance(getattr(signal.getsignal(number), "__self__", None), StopRequest):
            signal.signal(number, signal.SIG_DFL)


# Not in the handler: a signal that comes just before the process waits for a lock would never be seen.
os.register_at_fork(after_in_child=_forget)
