"""Curves and example images for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor


class Monitor:
    """Write scalars and images beside the checkpoint.

    Args:
        folder: Where the event files go.
        start: Iterations done already; 0 removes the event files of an earlier run.
    """

    def __init__(self, folder: Path, start: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        if start == 0:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
        self._writer = SummaryWriter(str(folder), purge_step=start + 1 if start else None)

    def scalars(self, done: int, values: Mapping[str, float]) -> None:
        """Add one point to each curve."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, done)

    def examples(self, done: int, image: Tensor, label: Tensor, predicted: Tensor) -> None:
        """Add the middle slices of samples: image, label and nearest prototypes side by side.

        Args:
            done: Iterations done.
            image: ``(B, C, *S)``; the first channel is shown.
            label: ``(B, *S)``.
            predicted: ``(B, *S)``.
        """
        palette = torch.rand((int(label.max()) + 1, 3), generator=torch.Generator().manual_seed(1))
        for k in range(min(2, len(image))):
            grey = _middle(image[k, 0].float().cpu())
            grey = (grey - grey.min()) / (grey.max() - grey.min()).clamp(min=1e-6)
            regions = [palette[_middle(x[k].cpu())].permute(2, 0, 1) for x in (label, predicted)]
            self._writer.add_image(f"example_{k}", torch.cat([grey.expand(3, -1, -1), *regions], 2), done)
        self._writer.flush()

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()


def _middle(volume: Tensor) -> Tensor:
    """Return the middle slice along the first axis of a volume, or a 2D image as it is."""
    return volume[volume.shape[0] // 2] if volume.ndim == 3 else volume
