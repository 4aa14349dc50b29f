from __future__ import annotations

from pathlib import Path

import pytest
import torch
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform, blur_dimension

from tests.helpers import TinyDataset, tiny_dataset


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyDataset:
    """A preprocessed data set of four small cases, in nnU-Net's folders."""
    return tiny_dataset(tmp_path, monkeypatch, preprocess=("3d_fullres", "2d"))


@pytest.fixture(autouse=True)
def one_way_to_blur(monkeypatch: pytest.MonkeyPatch) -> None:
    """nnU-Net's augmentation times two ways to blur and takes the faster one, so that bits depend on a busy machine."""

    def blur(self: GaussianBlurTransform, image: torch.Tensor, sigma: float, axis: int) -> torch.Tensor:
        return blur_dimension(image, sigma, axis)

    monkeypatch.setattr(GaussianBlurTransform, "_benchmark_wrapper", blur)
