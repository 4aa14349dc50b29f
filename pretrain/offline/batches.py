"""Batches from a folder of samples, shuffled anew in each epoch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from rasd_nnu.errors import DatasetError
from rasd_nnu.pretrain.offline.manifest import Manifest, read_manifest, sample_path
from rasd_nnu.pretrain.offline.sample_file import FIX, file_entry, read_sample
from rasd_nnu.pretrain.stream import Share
from rasd_nnu.pretrain.synthesis import SynthesisConfig


@dataclass(frozen=True)
class OfflineSamples:
    """A checked folder of samples.

    Args:
        folder: The folder.
        manifest: Its complete manifest.
    """

    folder: Path
    manifest: Manifest

    def check_fit(self, config: SynthesisConfig, views: int) -> None:
        """Refuse samples that are not what is asked for.

        Args:
            config: What would be synthesised.
            views: Views of each sample that the objective compares.

        Raises:
            DatasetError: Naming the first entry that differs.
        """
        there, asked = self.manifest.config.to_dict(), config.to_dict()
        for key, value in there.items():
            if value != asked[key]:
                detail = "" if key == "priors" else f" {value}, expected {asked[key]}"
                raise DatasetError(
                    f"the samples of {self.folder} have other {key}{detail}. Synthesise for this network, with the "
                    "same options as `rasd_nnu pretrain`."
                )
        if self.manifest.views < views:
            raise DatasetError(
                f"the samples of {self.folder} have one view each, the contrastive objective needs {views}. "
                f"Synthesise with --views {views}."
            )


def open_samples(folder: Path, *, verify: bool = False) -> OfflineSamples:
    """Check that every sample of a folder is there.

    Args:
        folder: What `rasd_nnu synthesize` made.
        verify: Also compare the SHA-256 of every file; else only that it exists and has the right size.

    Raises:
        DatasetError: If the synthesis is unfinished, or a file is missing or another one.
    """
    manifest = read_manifest(folder)
    if not manifest.complete:
        raise DatasetError(f"the synthesis into {folder} was not finished ({manifest.samples} samples wanted). {FIX}")
    for index, entry in enumerate(manifest.files):
        path = sample_path(folder, index)
        size = path.stat().st_size if path.is_file() else None
        if size != entry.bytes:
            state = "is missing" if size is None else f"has {size} bytes, expected {entry.bytes}"
            raise DatasetError(f"{path} {state}. {FIX}")
        if verify and file_entry(path).sha256 != entry.sha256:
            raise DatasetError(f"{path} is damaged: its SHA-256 is not the one in the manifest. {FIX}")
    return OfflineSamples(folder, manifest)


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, samples: int) -> np.ndarray:
    """Return the order of an epoch, a function of its arguments alone, so that a resumed run goes on exactly."""
    return np.random.default_rng([seed, epoch]).permutation(samples)


class OfflineBatches(Dataset[tuple[Tensor, Tensor]]):
    """Iteration number -> image ``(B, C, *S)`` (or ``(B, V, C, *S)``) and label ``(B, *S)``, read when asked for.

    The samples of all iterations in a row are the epochs in a row, each in an order of its own; an epoch may end
    within an iteration.

    Args:
        samples: Where to read.
        seed: Seed of the orders.
        share: Which part of an iteration this process gets.
        device: Where the batch goes.
        views: Views of each sample; with 1 the axis V is left out.
    """

    def __init__(self, samples: OfflineSamples, seed: int, share: Share, device: torch.device, views: int = 1) -> None:
        self.samples, self.seed, self.share, self.device, self.views = samples, seed, share, device, views

    def indices(self, iteration: int) -> list[int]:
        """Return the sample numbers of an iteration for this process."""
        count = self.samples.manifest.samples
        return [
            int(_order(self.seed, position // count, count)[position % count])
            for position in self.share.indices(iteration)
        ]

    def __getitem__(self, iteration: int) -> tuple[Tensor, Tensor]:
        manifest = self.samples.manifest
        read = [
            read_sample(sample_path(self.samples.folder, index), manifest.config, manifest.views)
            for index in self.indices(iteration)
        ]
        image = torch.stack([views[: self.views] if self.views > 1 else views[0] for views, _ in read])
        return image.to(self.device), torch.stack([label for _, label in read]).to(self.device)
