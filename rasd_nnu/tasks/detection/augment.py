"""Augmentation that carries boxes: MONAI's transforms in one order."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from monai.apps.detection.transforms.dictionary import (
    ClipBoxToImaged,
    RandCropBoxByPosNegLabeld,
    RandFlipBoxd,
    RandRotateBox90d,
)
from monai.transforms.compose import Compose
from monai.transforms.croppad.dictionary import SpatialPadd
from monai.transforms.intensity.dictionary import (
    RandAdjustContrastd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandShiftIntensityd,
)
from torch import Tensor

from rasd_nnu.nnunet.plans import NetworkTarget

_SAME_SPACING = 1.1


def augmentation(target: NetworkTarget, mirror: Sequence[int] | None) -> Compose:
    """Return the training transforms: turn, mirror, cut a patch, change intensities.

    An image that is smaller than the patch is padded with zeros at the upper ends, where coordinates stay as they are.

    Args:
        target: Gives patch and spacing.
        mirror: Axes to mirror; None for all. With the last two, which must have one spacing, come turns by 90 degrees.
    """
    axes = range(target.dims) if mirror is None else mirror
    plane = target.dims - 2, target.dims - 1
    turns = {*plane} <= {*axes} and max(target.spacing[-2:]) <= _SAME_SPACING * min(target.spacing[-2:])
    keys: dict[str, Any] = {"image_keys": "image", "box_keys": "boxes"}
    steps: list[Any] = (
        [RandRotateBox90d(**keys, box_ref_image_keys="image", prob=0.75, spatial_axes=plane)] if turns else []
    )
    steps += [RandFlipBoxd(**keys, box_ref_image_keys="image", prob=0.5, spatial_axis=axis) for axis in axes]
    size = list(target.patch_size)
    return Compose(
        [
            *steps,
            RandCropBoxByPosNegLabeld(**keys, label_keys="labels", spatial_size=size, pos=3, neg=1, allow_smaller=True),
            ClipBoxToImaged("boxes", label_keys="labels", box_ref_image_keys="image", remove_empty=True),
            SpatialPadd("image", size, method="end"),
            RandGaussianNoised("image", prob=0.1, std=0.1),
            RandGaussianSmoothd("image", prob=0.1, sigma_x=(0.5, 1.0), sigma_y=(0.5, 1.0), sigma_z=(0.5, 1.0)),
            RandScaleIntensityd("image", factors=0.25, prob=0.3),
            RandShiftIntensityd("image", offsets=0.25, prob=0.3),
            RandAdjustContrastd("image", prob=0.2, gamma=(0.7, 1.5)),
        ]
    )


def augmented(transforms: Compose, image: Tensor, boxes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a changed image ``(C, *patch)`` with its boxes ``(n, 2 * axes)`` and their labels ``(n,)``."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(Num foregrounds|.*unable to generate class balanced)")
        (made,) = transforms({"image": image, "boxes": boxes, "labels": labels})
    return (
        torch.as_tensor(made["image"]).as_subclass(Tensor),
        torch.as_tensor(made["boxes"]).as_subclass(Tensor).reshape(-1, boxes.shape[1]).float(),
        torch.as_tensor(made["labels"]).as_subclass(Tensor).reshape(-1).long(),
    )
