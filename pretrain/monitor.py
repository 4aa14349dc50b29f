"""Curves and example images for TensorBoard."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rasd_nnu.files import explained


class Monitor:
    """Write scalars and images beside the checkpoint.

    Records are written at once and by this thread: PyTorch's SummaryWriter has a thread of its own, which a full disk
    kills with a traceback. Here the points that cannot be written are left out, and the run goes on.

    Args:
        folder: Where the event files go.
        start: Iterations done already; 0 removes the event files of an earlier run, another number hides what they
            have from there on.
        tell: Takes a warning when writing fails.
    """

    def __init__(self, folder: Path, start: int, tell: Callable[[str], None]) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog

        if start == 0:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{start}"
        self._file = (folder / name).open("wb", buffering=0)
        self._tell = tell
        self._told = False
        self._write(0, file_version="brain.Event:2")
        if start:
            self._write(start + 1, session_log=SessionLog(status=SessionLog.START))

    def scalars(self, done: int, values: Mapping[str, float]) -> None:
        """Add one point to each curve."""
        from torch.utils.tensorboard.summary import scalar

        for name, value in values.items():
            self._write(done, summary=scalar(name, value))

    def examples(self, done: int, image: Tensor, label: Tensor, predicted: Tensor) -> None:
        """Add the middle slices of samples: image, label and nearest prototypes side by side.

        Args:
            done: Iterations done.
            image: ``(B, C, *S)``; the first channel is shown.
            label: ``(B, *S)``.
            predicted: ``(B, *S)``.
        """
        from torch.utils.tensorboard.summary import image as image_summary

        palette = torch.rand((int(label.max()) + 1, 3), generator=torch.Generator().manual_seed(1))
        for k in range(min(2, len(image))):
            grey = _middle(image[k, 0].float().cpu())
            grey = (grey - grey.min()) / (grey.max() - grey.min()).clamp(min=1e-6)
            regions = [palette[_middle(x[k].cpu())].permute(2, 0, 1) for x in (label, predicted)]
            shown = torch.cat([grey.expand(3, -1, -1), *regions], 2).numpy()
            self._write(done, summary=image_summary(f"example_{k}", shown, dataformats="CHW"))

    def close(self) -> None:
        """Close the event file."""
        self._file.close()

    def _write(self, step: int, **content: Any) -> None:
        """Append one record, all of it or, with one warning a run, nothing."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        event = Event(wall_time=time.time(), step=step, **content)
        whole = self._file.tell()
        try:
            RecordWriter(_WholeWrites(self._file)).write(event.SerializeToString())
        except OSError as error:
            self._file.truncate(whole)
            self._file.seek(whole)
            if not self._told:
                self._told = True
                error.filename = error.filename or self._file.name
                self._tell(f"warning: {explained(error)} The run goes on without these points of its curves.")


class _WholeWrites:
    """An unbuffered file whose writes are complete or fail; the system may write a part only."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> None:
        """Write all of ``data``."""
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]


def _middle(volume: Tensor) -> Tensor:
    """Return the middle slice along the first axis of a volume, or a 2D image as it is."""
    return volume[volume.shape[0] // 2] if volume.ndim == 3 else volume
