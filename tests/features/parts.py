"""Checkpoints and images so small that a pass takes milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813
import torch

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget
from tests.helpers import architecture, tiny_plans


def target(dims: int = 3, channels: int = 1, **changes: Any) -> NetworkTarget:
    options: dict[str, Any] = {
        "architecture": architecture(dims, (4, 8)),
        "input_channels": channels,
        "patch_size": (8,) * dims,
        "spacing": (1.0,) * dims,
        "batch_size": 2,
        "normalization": ("ZScoreNormalization",) * channels,
    }
    return NetworkTarget(**{**options, **changes})


def ours(path: Path, seed: int = 0, **changes: Any) -> Path:
    """Write a checkpoint of `rasd_nnu pretrain` with random weights."""
    described = target(**changes)
    torch.manual_seed(seed)
    atomic_save(
        checkpoint_content(build_network(described, 6), described, {"normalization": ["ZScoreNormalization"]}), path
    )
    return path


def of_nnunet(path: Path, labels: int = 2) -> Path:
    """Write what nnU-Net's trainer saves, with random weights."""
    plans = tiny_plans(features=(4, 8, 16))
    names = {"background": 0, **{f"label {i}": i for i in range(1, labels + 1)}}
    dataset_json = {"channel_names": {"0": "MRI"}, "labels": names, "file_ending": ".nii.gz"}
    network = build_network(target(architecture=plans["configurations"]["3d_fullres"]["architecture"]), labels + 1)
    init = {"plans": plans, "dataset_json": dataset_json, "configuration": "3d_fullres", "fold": 0}
    torch.save({"network_weights": network.state_dict(), "init_args": init, "trainer_name": "nnUNetTrainer"}, path)
    return path


def image_of(array: npt.NDArray[Any], spacing: tuple[float, ...] | None = None) -> sitk.Image:
    """Return an image of an array in the order Z, Y, X; the spacing is along X, Y, Z."""
    image = sitk.GetImageFromArray(array)
    if spacing is not None:
        image.SetSpacing(spacing)
    return image


def blobs(shape: tuple[int, ...], shift: tuple[float, ...] = (0, 0, 0)) -> npt.NDArray[np.float32]:
    """Return a smooth image with two blobs, moved by ``shift`` voxels along Z, Y, X."""
    places = np.meshgrid(*map(np.arange, shape), indexing="ij")
    out = np.zeros(shape)
    for centre, width, height in ((0.4, 4.0, 1.0), (0.65, 3.0, -0.7)):
        square = sum((p - centre * n - s) ** 2 for p, n, s in zip(places, shape, shift, strict=True))
        out = out + height * np.exp(-square / (2 * width**2))
    return out.astype(np.float32)
