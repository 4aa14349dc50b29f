"""nnU-Net's training transforms, run once: a pool of augmented patches that all arms of a seed share."""

from __future__ import annotations

import numpy as np
import torch
from nnunetv2.training.data_augmentation.compute_initial_patch_size import get_patch_size
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from tasks import Case, Task
from torch import Tensor

#: Share of the patches whose centre lies in a drawn class, as in nnU-Net.
_FOREGROUND = 1 / 3


def make_pool(task: Task, cases: list[Case], size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return ``size`` patches as nnU-Net augments them.

    Args:
        task: Gives the patch.
        cases: To draw from, a patient with the same chance as another.
        size: Number of patches.
        seed: Of cases, places and transforms.

    Returns:
        Images ``(size, C, *patch)`` float32 and labels ``(size, *patch)`` uint8.
    """
    dims = len(task.patch)
    angle = np.pi if dims == 2 else np.pi / 6
    transforms = nnUNetTrainer.get_training_transforms(
        np.asarray(task.patch), (-angle, angle), None, tuple(range(dims)), False
    )
    reach = tuple(get_patch_size(np.asarray(task.patch), *[(-angle, angle)] * 3, (0.85, 1.25)).tolist())
    state = torch.random.get_rng_state(), np.random.get_state()
    torch.manual_seed(seed)
    np.random.seed(seed)  # the transforms draw from the global generators
    images, labels = [], []
    generator = np.random.default_rng([seed, 2])
    for _ in range(size):
        image, label = _patch(cases, reach, task.patch, generator)
        made = transforms(image=torch.from_numpy(image), segmentation=torch.from_numpy(label[None]))
        images.append(made["image"])
        labels.append(made["segmentation"][0].to(torch.uint8))
    torch.random.set_rng_state(state[0])
    np.random.set_state(state[1])
    return torch.stack(images), torch.stack(labels)


def _patch(
    cases: list[Case], size: tuple[int, ...], final: tuple[int, ...], generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a patch at random, or around a voxel of a random class, padded with 0 (labels: -1) as in nnU-Net."""
    if generator.random() < _FOREGROUND:
        classes = sorted({int(c) for case in cases for c in np.unique(case.label) if c > 0})
        wanted = generator.choice(classes)
        case = _draw([case for case in cases if (case.label == wanted).any()], generator)
        voxels = np.argwhere(case.label == wanted)
        wished = voxels[generator.integers(len(voxels))]
    else:
        case = _draw(cases, generator)
        wished = [m // 2 + generator.integers(max(1, n - m + 1)) for n, m in zip(case.label.shape, final, strict=True)]
    # What the transforms cut out of the middle, the patch, lies within the image where that is large enough.
    centre = [_within(c, n, m) for c, n, m in zip(wished, case.label.shape, final, strict=True)]
    low = [c - m // 2 for c, m in zip(centre, size, strict=True)]
    pads = [(max(0, -a), max(0, a + m - n)) for a, m, n in zip(low, size, case.label.shape, strict=True)]
    box = tuple(slice(a + p[0], a + p[0] + m) for a, p, m in zip(low, pads, size, strict=True))
    image = np.pad(case.image, [(0, 0), *pads])[(slice(None), *box)]
    label = np.pad(case.label.astype(np.int16), pads, constant_values=-1)[box]
    return np.ascontiguousarray(image), np.ascontiguousarray(label)


def _within(centre: int, n: int, size: int) -> int:
    """Return the place nearest to ``centre`` at which ``size`` voxels fit into ``n``, or the middle."""
    return n // 2 if n <= size else min(max(int(centre), size // 2), n - size + size // 2)


def _draw(cases: list[Case], generator: np.random.Generator) -> Case:
    patient = generator.choice(sorted({case.patient for case in cases}))
    own = [case for case in cases if case.patient == patient]
    return own[generator.integers(len(own))]


def batch(images: Tensor, labels: Tensor, size: int, draw: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw patches from the pool, mirrored at random once more (they have been mirrored with even chances)."""
    chosen = torch.from_numpy(draw.integers(len(images), size=size))
    x, y = images[chosen].float(), labels[chosen].long()
    for axis in range(1, y.ndim):
        if draw.random() < 0.5:
            x, y = x.flip(axis + 1), y.flip(axis)
    return x.contiguous(), y.contiguous()
