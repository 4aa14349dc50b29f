"""Training of a detector: plain loop, exact resume, the last weights are what is reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from torch import Tensor, nn

from rasd_nnu.errors import CheckpointError, ConfigError
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.tasks.detection.augment import augmentation, augmented
from rasd_nnu.tasks.detection.data import Case
from rasd_nnu.tasks.detection.images import Images
from rasd_nnu.tasks.resume import resumed_epoch, save_epoch

#: Patches an epoch draws at least, so that few cases do not make it a few steps.
LEAST_PATCHES = 256
_CLIP = 12.0


@dataclass(frozen=True)
class DetectionRecipe:
    """How a detector is trained; the same for all arms.

    Args:
        epochs: Length; an epoch draws as many patches as there are training cases, at least `LEAST_PATCHES`.
        batch_size: Patches a step.
        lr: Highest rate of AdamW; falls by a cosine to 0.
        weight_decay: AdamW's weight decay.
        warmup: Share of the training in which the rate rises.
        mirror: Axes of the patch to mirror in augmentation; None for all.
        low_precision: Compute in bfloat16.
        seed: Of weights, batches and augmentation.
    """

    epochs: int = 50
    batch_size: int = 4
    lr: float = 1e-3
    weight_decay: float = 1e-2
    warmup: float = 0.05
    mirror: tuple[int, ...] | None = None
    low_precision: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "lr"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected above 0.")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"warmup is {self.warmup}, expected 0 up to (but not) 1.")

    def rate(self, progress: float) -> float:
        """Return the rate when ``progress`` (0 to 1) of the training is done."""
        if progress < self.warmup:
            return self.lr * progress / self.warmup
        return self.lr * 0.5 * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup)))


def train(
    detector: RetinaNetDetector,
    target: NetworkTarget,
    cases: Sequence[Case],
    images: Images,
    recipe: DetectionRecipe,
    device: torch.device,
    state: Path,
    tell: Callable[[int, float], None] = lambda epoch, loss: None,
    origin: str | None = None,
) -> None:
    """Train in place, or go on from ``state``.

    Everything that an epoch draws follows from seed and epoch, so that a resumed training on the CPU ends with the very
    weights of an uninterrupted one.

    Args:
        detector: The detector.
        target: The planned network, whose patch is cut.
        cases: Training cases; those without a box count as background.
        images: Their images.
        recipe: How.
        device: Where.
        state: Resume file, written after each epoch.
        tell: Is told epoch and mean loss.
        origin: Says what the weights began from, which a resumed training must have begun from, too.

    Raises:
        UserError: If an image cannot be read, the loss is not finite, or ``state`` is of another training.
    """
    detector.to(device)
    optimizer = torch.optim.AdamW(detector.network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    identity = asdict(recipe) | {"mirror": recipe.mirror and list(recipe.mirror), "origin": origin}
    identity["cases"] = [case.name for case in cases]
    first = resumed_epoch(state, identity, detector.network, optimizer)
    transforms = augmentation(target, recipe.mirror)
    steps = max(1, math.ceil(max(len(cases), LEAST_PATCHES) / recipe.batch_size))
    for epoch in range(first, recipe.epochs):
        value = int(np.random.SeedSequence([recipe.seed, epoch]).generate_state(1)[0])
        torch.manual_seed(value)  # the sampler of negatives draws from it
        transforms.set_random_state(value)
        draw = np.random.default_rng([recipe.seed, epoch])
        detector.train()
        losses = []
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate((epoch * steps + step + 1) / (recipe.epochs * steps))
            chosen = [cases[i] for i in draw.integers(len(cases), size=recipe.batch_size)]
            loss = detection_loss(detector, *_batch(chosen, images, transforms, device))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(detector.network.parameters(), _CLIP)
            optimizer.step()
            losses.append(float(loss.detach()))
        tell(epoch, float(np.mean(losses)))
        save_epoch(state, identity, detector.network, optimizer, epoch + 1)


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
