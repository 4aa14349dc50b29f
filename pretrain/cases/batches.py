"""Batches from label maps of cases: cut, deformed, divided into regions, and given a random appearance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from rasd_nnu.pretrain.cases.deform import deformed, reach
from rasd_nnu.pretrain.cases.maps import CaseMaps
from rasd_nnu.pretrain.cases.patches import IGNORE, Patches
from rasd_nnu.pretrain.stream import Batches, Share
from rasd_nnu.pretrain.synthesis import SynthesisConfig, synthesize
from rasd_nnu.pretrain.synthesis.regions import RegionsConfig, regions
from rasd_nnu.pretrain.synthesis.renew import MAX_CLASSES, RenewConfig, adapted, render_regions

#: Nothing of a case's appearance is left; a fifth of the targets has no boundary that an appearance could show.
_APPEARANCE = RenewConfig(kind="random", share=1.0, regions=RegionsConfig(merge=0.2, divide=0.2))


class CaseBatches(Batches):
    """Iteration number -> image ``(B, C, *S)`` and label ``(B, 2, *S)``: regions, then targets.

    Sample k of a seed is the same whatever the batch, the number of processes and where a run goes on. Of ``mixed``
    maps every other sample is the engine's: its targets are all `IGNORE`, as those of images without labels are.

    Args:
        cases: Where the label maps come from.
        config: The engine's configuration; its preset gives the appearance, all of it the engine's own samples.
        seed: Seed of all samples.
        share: Which samples this process gets.
        device: Where they are made.
    """

    def __init__(self, cases: CaseMaps, config: SynthesisConfig, seed: int, share: Share, device: torch.device) -> None:
        super().__init__(config, seed, share, device)
        self.cases, target = cases, cases.target
        self._patches = Patches(
            cases.data, cases.fold.train, reach(target.patch_size), target.patch_size, cases.unlabelled
        )
        preset = {"preset": config.name}
        self._appearance = adapted(_APPEARANCE.model_copy(update=preset), target.normalization)

    def _synthesize(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        images, labels = zip(*(self._sample(index) for index in indices), strict=True)
        return torch.stack(images), torch.stack(labels)

    def _sample(self, index: int) -> tuple[Tensor, Tensor]:
        """Return image ``(C, *S)`` and label ``(2, *S)``."""
        if self.cases.mixed and index % 2 == 0:
            image, label = synthesize(self.config, seed=self.seed, indices=[index], device=self.device)
            return image[0], torch.cat([label, torch.full_like(label, IGNORE)])
        numbers = np.random.default_rng([self.seed, index])
        generator = torch.Generator().manual_seed(int(numbers.integers(2**63 - 1)))
        spacing, patch = self.cases.target.spacing, self.cases.target.patch_size
        image, label = (torch.from_numpy(array).to(self.device) for array in self._patches.draw(numbers))
        image, targets = deformed(image, label, patch, spacing, generator)
        maps = targets.clamp(min=0)
        parts = regions(image[None], maps[None], self._appearance.regions, generator, spacing) % MAX_CLASSES
        new = render_regions(image[None], parts, self._appearance, generator, spacing=spacing)
        return new[0], torch.stack([parts[0], targets])
