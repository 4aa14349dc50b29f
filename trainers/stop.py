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

    Processes that are forked meanwhile die from SIGTERM as always, by which pools end their workers. They ignore
    SIGUSR1, which SLURM sends to all processes of a job: the training still needs those that augment.
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


def _hold_back() -> None:
    """Before a fork: hold the signals back until the child has forgotten how to wait for them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def _release() -> None:
    """After a fork, in the parent."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _forget() -> None:
    """After a fork, in the child: let SIGTERM end it, also one that came meanwhile, and ignore SIGUSR1."""
    for number, meaning in ((signal.SIGTERM, signal.SIG_DFL), (signal.SIGUSR1, signal.SIG_IGN)):
        if isinstance(getattr(signal.getsignal(number), "__self__", None), StopRequest):
            signal.signal(number, meaning)
    _release()


# Not in the handler: a signal that comes just before the process waits for a lock would never be seen there.
os.register_at_fork(before=_hold_back, after_in_parent=_release, after_in_child=_forget)
