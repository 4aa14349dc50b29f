"""Training of a detector: plain loop, exact resume, the last weights are what is reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from torch import Tensor

from rasd_nnu.errors import CheckpointError
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.tasks.detection.augment import augmentation, augmented
from rasd_nnu.tasks.detection.data import Case
from rasd_nnu.tasks.detection.images import Images
from rasd_nnu.tasks.loop import Progress, Recipe, seed_of, train_epochs

#: Patches an epoch draws at least, so that few cases do not make it a few steps.
LEAST_PATCHES = 256


@dataclass(frozen=True)
class DetectionRecipe(Recipe):
    """How a detector is trained; an epoch draws as many patches as there are training cases, at least `LEAST_PATCHES`.

    Args:
        mirror: Axes of the patch to mirror in augmentation; None for all.
        low_precision: Compute in bfloat16.
    """

    epochs: int = 50
    batch_size: int = 4
    mirror: tuple[int, ...] | None = None
    low_precision: bool = False


def train(
    detector: RetinaNetDetector,
    target: NetworkTarget,
    cases: Sequence[Case],
    images: Images,
    recipe: DetectionRecipe,
    device: torch.device,
    progress: Progress,
) -> None:
    """Train in place, or go on, as `train_epochs`.

    Args:
        detector: The detector.
        target: The planned network, whose patch is cut.
        cases: Training cases; those without a box count as background.
        images: Their images.
        recipe: How.
        device: Where.
        progress: Where to go on from.

    Raises:
        UserError: If an image cannot be read, or as `train_epochs`.
    """
    detector.to(device)
    transforms = augmentation(target, recipe.mirror)

    def begin(epoch: int) -> Callable[[], Tensor]:
        value = seed_of(recipe, epoch)
        torch.manual_seed(value)  # the sampler of negatives draws from it
        transforms.set_random_state(value)
        draw = np.random.default_rng([recipe.seed, epoch])
        detector.train()

        def loss() -> Tensor:
            chosen = [cases[i] for i in draw.integers(len(cases), size=recipe.batch_size)]
            return detection_loss(detector, *_batch(chosen, images, transforms, device))

        return loss

    steps = math.ceil(max(len(cases), LEAST_PATCHES) / recipe.batch_size)
    train_epochs(detector.network, recipe, steps, begin, progress)


def _batch(
    cases: Sequence[Case], images: Images, transforms: Any, device: torch.device
) -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Return patches ``(B, C, *patch)`` and MONAI's targets."""
    patches, targets = [], []
    for case in cases:
        picture = images[case.name]
        boxes, labels = picture.geometry.to_network(case.boxes), torch.tensor(case.labels, dtype=torch.long)
        patch, boxes, labels = augmented(transforms, picture.image, boxes, labels)
        patches.append(patch)
        targets.append({"boxes": boxes.to(device), "labels": labels.to(device)})
    return torch.stack(patches).to(device), targets


def detection_loss(detector: RetinaNetDetector, patches: Tensor, targets: list[dict[str, Tensor]]) -> Tensor:
    """Return the sum of classification and box loss.

    Raises:
        CheckpointError: If it is not finite.
    """
    try:
        losses = detector(patches, targets)
    except ValueError as error:  # MONAI looks at its maps
        if "NaN" not in str(error):
            raise
        raise CheckpointError("the network's outputs are not finite. Train again with a lower rate.") from None
    total: Tensor = losses[detector.cls_key] + losses[detector.box_reg_key]
    return total
