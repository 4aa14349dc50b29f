"""Training of a classifier: plain loop, exact resume, the last weights are what is reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rasd_nnu.errors import CheckpointError, ConfigError
from rasd_nnu.nnunet.augmentation import without_clock
from rasd_nnu.tasks.classification.data import Case, Images, Questions
from rasd_nnu.tasks.loop import Progress, Recipe, seed_of, train_epochs


@dataclass(frozen=True)
class ClassificationRecipe(Recipe):
    """How a classifier is trained; an epoch draws as many images as there are training cases, at least `least`.

    Args:
        least: Images an epoch has at least, so that few cases do not make it a few steps.
        dropout: Before the linear layer.
        balanced: Draw all classes equally often, instead of all cases.
        mirror: Axes of the patch to mirror in augmentation; an orientation that tells the class must not be mirrored.
        series: Every channel is a series of its own, pooled by attention.
    """

    least: int = 512
    dropout: float = 0.2
    balanced: bool = True
    mirror: tuple[int, ...] = ()
    series: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.least > 0:
            raise ConfigError(f"least is {self.least}, expected above 0.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout}, expected 0 up to (but not) 1.")


def augmentation(size: tuple[int, ...], mirror: tuple[int, ...]) -> Any:
    """Return nnU-Net's training transforms with a mild rotation, which do not look at the clock."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    angle = 15 / 180 * math.pi
    return without_clock(nnUNetTrainer.get_training_transforms(np.array(size), (-angle, angle), None, mirror, False))


def train(
    network: nn.Module,
    cases: Sequence[Case],
    images: Images,
    questions: Questions,
    recipe: ClassificationRecipe,
    device: torch.device,
    progress: Progress,
) -> None:
    """Train in place, or go on, as `train_epochs`.

    Args:
        network: Maps ``(B, C, *S)`` to logits.
        cases: Training cases.
        images: Their images.
        questions: What is asked.
        recipe: How.
        device: Where.
        progress: Where to go on from.
    """
    network.to(device)
    transforms = augmentation(tuple(images[cases[0].name].shape[1:]), recipe.mirror)

    def begin(epoch: int) -> Callable[[], Tensor]:
        value = seed_of(recipe, epoch)  # of the generators that nnU-Net's transforms and dropout draw from
        torch.manual_seed(value)
        np.random.seed(value)
        draw = np.random.default_rng([recipe.seed, epoch])
        network.train()

        def loss() -> Tensor:
            chosen = _draw(cases, recipe, draw)
            batch = torch.stack([_augmented(images[case.name], transforms) for case in chosen]).to(device)
            truth = torch.tensor([case.truth for case in chosen], device=device)
            return classification_loss(network(batch), truth, questions)

        return loss

    steps = math.ceil(max(len(cases), recipe.least) / recipe.batch_size)
    train_epochs(network, recipe, steps, begin, progress)


def _draw(cases: Sequence[Case], recipe: ClassificationRecipe, draw: np.random.Generator) -> list[Case]:
    """Draw a batch; balanced, each class of the first question that a case answers has the same chance."""
    if not recipe.balanced:
        return [cases[i] for i in draw.integers(len(cases), size=recipe.batch_size)]
    classes: dict[tuple[int, ...], list[Case]] = {}
    for case in cases:
        classes.setdefault(case.truth, []).append(case)
    kinds = [classes[key] for key in sorted(classes)]
    picked = [kinds[i] for i in draw.integers(len(kinds), size=recipe.batch_size)]
    return [own[draw.integers(len(own))] for own in picked]


def _augmented(image: Tensor, transforms: Any) -> Tensor:
    made = transforms(image=image.clone(), segmentation=torch.zeros((1, *image.shape[1:]), dtype=torch.int16))
    result: Tensor = made["image"]
    return result


def classification_loss(logits: Tensor, truth: Tensor, questions: Questions) -> Tensor:
    """Return cross-entropy of one question, or the mean binary one over the answers that are known.

    Args:
        logits: ``(B, outputs)``.
        truth: ``(B, questions)``, -1 where not known.
        questions: What is asked.
    """
    if not questions.multilabel:
        return F.cross_entropy(logits, truth[:, 0])
    known = truth >= 0
    values = F.binary_cross_entropy_with_logits(logits, truth.clamp(min=0).to(logits.dtype), reduction="none")
    return (values * known).sum() / known.sum().clamp(min=1)


@torch.no_grad()
def probabilities(
    network: nn.Module, names: Sequence[str], images: Images, questions: Questions, device: torch.device
) -> np.ndarray:
    """Return probabilities ``(cases, outputs)``.

    Raises:
        CheckpointError: If a value is not finite.
    """
    network.to(device).eval()
    found = []
    for begin in range(0, len(names), 32):
        batch = torch.stack([images[name] for name in names[begin : begin + 32]]).to(device)
        logits = network(batch).double()
        found.append((logits.sigmoid() if questions.multilabel else logits.softmax(1)).cpu().numpy())
    result = np.concatenate(found)
    if not np.isfinite(result).all():
        raise CheckpointError("the network's probabilities are not finite. Train again with a lower rate.")
    return result
