"""New appearances of the images in fine-tuning batches; their labels stay as they are."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from nnunetv2.utilities.label_handling.label_handling import LabelManager
from torch import Tensor

from rasd_nnu.pretrain.synthesis.renew import RenewConfig, renew


class Mixer:
    """Renews a share of each batch, by a schedule over the training.

    What is drawn depends on seed, process and iteration alone, so that a resumed run goes on as an uninterrupted one,
    and no other source of randomness is touched.

    Args:
        config: How images are renewed, and when.
        labels: nnU-Net's labels of the data set.
        spacing: Voxel spacing of a patch in mm.
        channels: Number of image channels.
        seed: Of the run; None for another one each time.
        rank: Number of this process.
    """

    def __init__(
        self,
        config: RenewConfig,
        labels: LabelManager,
        spacing: Sequence[float],
        channels: int,
        seed: int | None,
        rank: int = 0,
    ) -> None:
        self.config, self.labels, self.spacing, self.channels = config, labels, tuple(spacing), channels
        self._seed = (int.from_bytes(os.urandom(8)) if seed is None else seed, rank)

    def __call__(self, data: Tensor, target: Tensor | list[Tensor], iteration: int, progress: float) -> Tensor:
        """Return the batch's images with a share of them renewed.

        Args:
            data: ``(B, C, *S)``; channels beyond the image's (a cascade's segmentations) stay as they are.
            target: nnU-Net's target, or one a resolution with the finest first.
            iteration: Number of the iteration in the whole training.
            progress: Share of the training that is done.
        """
        share = self.config.share_at(progress)
        if share == 0:
            return data
        finest = target[0] if isinstance(target, list) else target
        seed = np.random.SeedSequence([*self._seed, iteration]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(seed >> np.uint64(1)))
        image = data[:, : self.channels]
        maps = label_maps(finest, self.labels).to(data.device)
        new = renew(image, maps, self.config, generator, share=share, spacing=self.spacing)
        return new if data.shape[1] == self.channels else torch.cat([new, data[:, self.channels :]], 1)


def label_maps(target: Tensor, labels: LabelManager) -> Tensor:
    """Return ``(B, *S)`` int64, 0 for background and for what is to be ignored.

    Args:
        target: ``(B, 1, *S)`` labels; or ``(B, R, *S)`` with one channel a region, which may overlap, and a last one
            for what is to be ignored, where there is such a label. Every combination of regions is a label.
        labels: nnU-Net's labels of the data set.
    """
    if not labels.has_regions:
        maps = target[:, 0].long()
        if labels.has_ignore_label:
            maps = torch.where(maps == labels.ignore_label, 0, maps)
        return maps.clamp(min=0)
    regions = target[:, :-1] if labels.has_ignore_label else target
    powers = 2 ** torch.arange(regions.shape[1], device=regions.device)
    codes = ((regions > 0) * powers.reshape(-1, *[1] * (regions.ndim - 2))).sum(1)
    known = torch.unique(torch.cat([codes.new_zeros(1), codes.flatten()]))
    return torch.searchsorted(known, codes)
