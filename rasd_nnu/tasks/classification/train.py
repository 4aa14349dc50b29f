"""Training of a classifier: plain loop, exact resume, the last weights are what is reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rasd_nnu.errors import CheckpointError, ConfigError
from rasd_nnu.nnunet.augmentation import without_clock
from rasd_nnu.tasks.classification.data import Case, Images, Questions
from rasd_nnu.tasks.resume import resumed_epoch, save_epoch

_CLIP = 12.0


@dataclass(frozen=True)
class ClassificationRecipe:
    """How a classifier is trained; the same for all arms.

    Args:
        epochs: Length; an epoch draws as many images as there are training cases, at least `least` of them.
        least: Images an epoch has at least, so that few cases do not make it a few steps.
        batch_size: Images a step.
        lr: Highest rate of AdamW; falls by a cosine to 0.
        weight_decay: AdamW's weight decay.
        warmup: Share of the training in which the rate rises.
        dropout: Before the linear layer.
        balanced: Draw all classes equally often, instead of all cases.
        mirror: Axes of the patch to mirror in augmentation; an orientation that tells the class must not be mirrored.
        series: Every channel is a series of its own, pooled by attention.
        seed: Of weights, batches and augmentation.
    """

    epochs: int = 20
    least: int = 512
    batch_size: int = 32
    lr: float = 1e-3
    weight_decay: float = 1e-2
    warmup: float = 0.05
    dropout: float = 0.2
    balanced: bool = True
    mirror: tuple[int, ...] = ()
    series: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "least", "batch_size", "lr"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected above 0.")
        for name in ("warmup", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 0 up to (but not) 1.")

    def rate(self, progress: float) -> float:
        """Return the rate when ``progress`` (0 to 1) of the training is done."""
        if progress < self.warmup:
            return self.lr * progress / self.warmup
        return self.lr * 0.5 * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup)))


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
    state: Path,
    tell: Callable[[int, float], None] = lambda epoch, loss: None,
) -> None:
    """Train in place, or go on from ``state``.

    Everything that an epoch draws follows from seed and epoch, so that a resumed training on the CPU ends with the very
    weights of an uninterrupted one.

    Args:
        network: Maps ``(B, C, *S)`` to logits.
        cases: Training cases.
        images: Their images.
        questions: What is asked.
        recipe: How.
        device: Where.
        state: Resume file, written after each epoch.
        tell: Is told epoch and mean loss.
    """
    network.to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    identity = asdict(recipe) | {"mirror": list(recipe.mirror), "cases": [case.name for case in cases]}
    first = resumed_epoch(state, identity, network, optimizer)
    size = tuple(images[cases[0].name].shape[1:])
    transforms = augmentation(size, recipe.mirror)
    steps = max(1, math.ceil(max(len(cases), recipe.least) / recipe.batch_size))
    for epoch in range(first, recipe.epochs):
        _seed(recipe.seed, epoch)
        draw = np.random.default_rng([recipe.seed, epoch])
        network.train()
        losses = []
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate((epoch * steps + step + 1) / (recipe.epochs * steps))
            chosen = _draw(cases, recipe, draw)
            batch = torch.stack([_augmented(images[case.name], transforms) for case in chosen]).to(device)
            truth = torch.tensor([case.truth for case in chosen], device=device)
            loss = classification_loss(network(batch), truth, questions)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
            optimizer.step()
            losses.append(float(loss.detach()))
        tell(epoch, float(np.mean(losses)))
        save_epoch(state, identity, network, optimizer, epoch + 1)


def _seed(seed: int, epoch: int) -> None:
    """Seed the global generators, which nnU-Net's transforms and dropout draw from."""
    value = int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0])
    torch.manual_seed(value)
    np.random.seed(value)


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
