"""How long the steps take, and which share of that the synthesis has."""

from __future__ import annotations

import time

import torch


class StepTimer:
    """Measure the wall time of a run, and the parts of some of its steps.

    On a GPU a measured step waits for the device three times; so only some are measured.

    Args:
        device: Where the run computes.
        seconds: Wall time of the earlier parts of a resumed run.
    """

    def __init__(self, device: torch.device, seconds: float = 0.0) -> None:
        self._device = device
        self._start = time.perf_counter() - seconds
        self._drawing = self._stepping = 0.0
        self._marks: list[float] = []

    @property
    def seconds(self) -> float:
        """Wall time so far."""
        return time.perf_counter() - self._start

    @property
    def synthesis_share(self) -> float | None:
        """Share of the measured steps' time that was spent waiting for samples; None before any is measured."""
        return self._drawing / self._stepping if self._stepping else None

    def mark(self, measured: bool) -> None:
        """Call before drawing, after drawing and after the step."""
        if not measured:
            self._marks.clear()
            return
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._marks.append(time.perf_counter())
        if len(self._marks) == 3:
            before, drawn, done = self._marks
            self._drawing += drawn - before
            self._stepping += done - before
            self._marks.clear()
