"""Stop between two iterations when a signal asks for it, with everything saved."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

_NAMES = ("SIGINT", "SIGTERM", "SIGUSR1")


class StopSignals:
    """Remember SIGINT (Ctrl-C), SIGTERM and SIGUSR1 instead of dying from them.

    A second Ctrl-C raises `KeyboardInterrupt` at once. Outside of the main thread signals are left alone.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._received = 0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for name in _NAMES:
                if hasattr(signal, name):
                    number = getattr(signal, name)
                    self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = number
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def agreed(self, *, all_here: bool) -> str | None:
        """Return the name of the signal to stop for, the same in every process.

        Args:
            all_here: Whether every process asks now; several processes agree only then.
        """
        number = self._received
        if self._fabric.world_size > 1:
            if not all_here:
                return None
            largest = self._fabric.all_reduce(torch.tensor(number, device=self._fabric.device), reduce_op="max")
            assert isinstance(largest, Tensor)
            number = int(largest)
        return signal.Signals(number).name if number else None
