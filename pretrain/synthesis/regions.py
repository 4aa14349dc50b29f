"""Regions of a real image: the targets, and a random division of everything else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, ValidationError, model_validator
from torch import Tensor

from rasd_nnu.errors import ConfigError
from rasd_nnu.pretrain.synthesis.lattice import Lattice, along_axes, linear_matrix
from rasd_nnu.pretrain.synthesis.priors import Frozen, Probability, one_line

#: Voxels of an image that thresholds and cluster centres are found from.
_SAMPLED_VOXELS = 1024
_LLOYD_ITERATIONS = 5

#: Most parts that an image is divided into by one kind of division.
MAX_PARTS = 16

Division = Literal["intensity", "clusters", "fields"]


class Settings(Frozen):
    """A frozen group of settings whose errors are one line."""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(one_line(type(self), error)) from None


class RegionsConfig(Settings):
    """How a real image is divided into regions.

    Args:
        kinds: What an image is divided by, one drawn for each image: ``intensity`` (bins of a slightly blurred random
            combination of the channels), ``clusters`` (k-means of all channels), ``fields`` (the largest of random
            Gaussian fields, as in eq. 1).
        product: Chance that the parts of a second kind are intersected with those of the first.
        parts: Range of the number of parts.
        quantile: Chance that bins hold equally many voxels; otherwise they are equally wide, with random borders.
        blur: Range of the standard deviation of the blur, in voxels of the finest axis.
        merge: Chance, for each target class, that its boundary is no boundary of a region: it is divided as if it
            were background. With 1, regions know nothing of the labels.
        divide: Chance, for each target class that keeps its boundary, that it is divided inside, too.
        clean: Majority votes in a neighbourhood of 3 voxels, which remove specks.

    Raises:
        ConfigError: If a key is unknown or a value out of its range.
    """

    kinds: Annotated[tuple[Division, ...], Field(min_length=1)] = ("intensity", "clusters", "fields")
    product: Probability = 0.0
    parts: tuple[Annotated[int, Field(ge=2)], Annotated[int, Field(le=MAX_PARTS)]] = (3, 8)
    quantile: Probability = 0.5
    blur: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(le=8)]] = (0.5, 1.5)
    merge: Probability = 0.0
    divide: Probability = 0.0
    clean: Annotated[int, Field(ge=0, le=4)] = 1

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("parts", "blur"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"expected {name} from low to high")
        return self


def uniform(generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    """Draw ``shape`` values uniformly from ``low`` to ``high``, on the CPU."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def regions(
    images: Tensor,
    labels: Tensor,
    config: RegionsConfig,
    generator: torch.Generator,
    spacing: Sequence[float] | None = None,
) -> Tensor:
    """Divide images into regions.

    Args:
        images: ``(B, C, *S)`` float.
        labels: ``(B, *S)`` integer; 0 is background, and so is what is below (nnU-Net's -1 for padding).
        config: How.
        generator: Source of all randomness, on the CPU.
        spacing: Voxel spacing in mm; 1 along each axis by default.

    Returns:
        ``(B, *S)`` int64 on the images' device: regions numbered from 0 without gaps over the batch. A region lies
        within one target class, or within background and merged targets.

    Raises:
        ValueError: If images and labels differ in shape.
    """
    if labels.shape != (images.shape[0], *images.shape[2:]):
        raise ValueError(f"labels are {tuple(labels.shape)}, expected {(images.shape[0], *images.shape[2:])} as images")
    spacing = tuple(spacing or (1.0,) * (images.ndim - 2))
    with torch.no_grad():
        parts = _divided(images, config, generator, spacing)
        if bool(torch.rand((), generator=generator) < config.product):
            second = _divided(images, config, generator, spacing)
            parts = parts * MAX_PARTS + second
        parts = _without_gaps(parts)
        for _ in range(config.clean):
            parts = _majority(parts, spacing)
        return _without_gaps(_with_targets(parts, labels, config, generator))


def _divided(images: Tensor, config: RegionsConfig, generator: torch.Generator, spacing: tuple[float, ...]) -> Tensor:
    """Divide each image by a kind of its own; returns part numbers ``(B, *S)`` below `MAX_PARTS`."""
    batch = len(images)
    sigma = uniform(generator, *config.blur, batch)
    counts = torch.randint(config.parts[0], config.parts[1] + 1, (batch,), generator=generator)
    kinds = torch.randint(len(config.kinds), (batch,), generator=generator)
    parts = torch.empty((batch, *images.shape[2:]), dtype=torch.int64, device=images.device)
    for number, kind in enumerate(config.kinds):
        chosen = (kinds == number).nonzero()[:, 0]
        if not len(chosen):
            continue
        count = counts[chosen]
        if kind == "fields":
            parts[chosen] = _by_fields(images.shape[2:], spacing, count, generator, images.device)
            continue
        smooth = blur(images[chosen].float(), sigma[chosen], spacing)
        divide = _by_intensity if kind == "intensity" else _by_clusters
        parts[chosen] = divide(smooth, count, config, generator)
    return parts


def blur(images: Tensor, sigma: Tensor, spacing: Sequence[float]) -> Tensor:
    """Blur each image of a batch with a Gaussian of its own; what lies outside has no weight.

    Args:
        images: ``(B, C, *S)``.
        sigma: ``(B,)`` standard deviation in voxels of the finest axis.
        spacing: Voxel spacing.
    """
    finest = min(spacing)
    for axis, step in enumerate(spacing):
        n = images.shape[2 + axis]
        line = torch.arange(n, dtype=torch.float32)
        own = (sigma * finest / step).clamp(min=1e-2).reshape(-1, 1, 1)
        weights = torch.softmax(-0.5 * ((line[:, None] - line) / own) ** 2, dim=2).to(images.device, images.dtype)
        moved = images.movedim(2 + axis, 2)
        flat = torch.bmm(weights.repeat_interleave(images.shape[1], 0), moved.flatten(0, 1).flatten(2))
        images = flat.reshape(moved.shape).movedim(2, 2 + axis)
    return images


def _sampled(flat: Tensor, generator: torch.Generator) -> Tensor:
    """Return ``(B, C, n)`` of at most `_SAMPLED_VOXELS` voxels of ``flat`` ``(B, C, N)``."""
    if flat.shape[2] <= _SAMPLED_VOXELS:
        return flat
    return flat[:, :, torch.randint(flat.shape[2], (_SAMPLED_VOXELS,), generator=generator).to(flat.device)]


def _by_intensity(smooth: Tensor, counts: Tensor, config: RegionsConfig, generator: torch.Generator) -> Tensor:
    batch, channels = smooth.shape[:2]
    weights = torch.randn((batch, channels, 1), generator=generator).to(smooth.device)
    line = (smooth.flatten(2) * weights).sum(1)
    ordered = _sampled(line[:, None], generator)[:, 0].sort(dim=1).values
    shares = _random_borders(counts, generator).to(smooth.device)
    by_count = ordered.gather(1, (shares.clamp(max=1) * (ordered.shape[1] - 1)).long())
    low, high = ordered[:, :1], ordered[:, -1:]
    by_value = low + shares * (high - low)
    quantile = (torch.rand((batch, 1), generator=generator) < config.quantile).to(smooth.device)
    borders = torch.where(shares > 1, torch.inf, torch.where(quantile, by_count, by_value))
    return torch.searchsorted(borders.contiguous(), line.contiguous()).reshape(batch, *smooth.shape[2:])


def _random_borders(counts: Tensor, generator: torch.Generator) -> Tensor:
    """Return ``(B, most - 1)`` ordered shares that divide 0..1 into ``counts`` parts; unused ones are 2."""
    most = int(counts.max())
    position = torch.arange(1, most) + uniform(generator, -0.4, 0.4, len(counts), most - 1)
    return torch.where(torch.arange(1, most) < counts[:, None], position / counts[:, None], 2.0)


def _by_clusters(smooth: Tensor, counts: Tensor, config: RegionsConfig, generator: torch.Generator) -> Tensor:
    """Return the nearest of k centres that a few of Lloyd's iterations have moved."""
    flat = smooth.flatten(2)
    seen = _sampled(flat, generator).transpose(1, 2)
    most = int(counts.max())
    first = torch.randint(seen.shape[1], (len(flat), most), generator=generator).to(flat.device)
    centres = seen.gather(1, first[..., None].expand(-1, -1, seen.shape[2]))
    unused = (torch.arange(most) >= counts[:, None]).to(flat.device)
    for _ in range(_LLOYD_ITERATIONS):
        near = F.one_hot(_nearest(seen, centres, unused), most).to(seen.dtype)
        total = near.sum(1)[..., None]
        centres = torch.where(total > 0, torch.bmm(near.transpose(1, 2), seen) / total.clamp(min=1), centres)
    return _nearest(flat.transpose(1, 2), centres, unused).reshape(len(flat), *smooth.shape[2:])


def _nearest(points: Tensor, centres: Tensor, unused: Tensor) -> Tensor:
    """Return the number of the nearest used centre: points ``(B, N, C)``, centres ``(B, K, C)`` -> ``(B, N)``."""
    offset = centres.square().sum(2).masked_fill(unused, torch.inf)[:, None]
    return torch.baddbmm(offset, points, centres.transpose(1, 2), alpha=-2).argmin(2)


def _by_fields(
    shape: torch.Size, spacing: tuple[float, ...], counts: Tensor, generator: torch.Generator, device: torch.device
) -> Tensor:
    """Return which of several Gaussian fields, isotropic in mm, is the largest."""
    lattice = Lattice.over(tuple(shape), spacing, int(torch.randint(3, 9, (), generator=generator)))
    most = int(counts.max())
    heat = torch.randn((len(counts), most, *lattice.nodes), generator=generator)
    heat[(torch.arange(most) >= counts[:, None])] = -torch.inf
    heat = heat.nan_to_num(neginf=-1e9).to(device)
    matrices = [linear_matrix(n, g, s).to(device) for n, g, s in zip(shape, lattice.nodes, lattice.step, strict=True)]
    return along_axes(heat, matrices).argmax(1)


def _without_gaps(parts: Tensor) -> Tensor:
    """Renumber parts so that each number up to the largest is used in the batch."""
    used = torch.bincount(parts.flatten()) > 0
    return (used.cumsum(0) - 1)[parts]


def _majority(parts: Tensor, spacing: tuple[float, ...]) -> Tensor:
    """Give each voxel the most frequent part of its neighbourhood; an axis twice as coarse as the finest has none."""
    numbers = torch.arange(int(parts.max()) + 1, device=parts.device)
    own = (parts[:, None] == numbers.reshape(-1, *[1] * len(spacing))).float()
    votes = own
    for axis, step in enumerate(spacing, start=2):
        if step < 2 * min(spacing):
            n, counted = votes.shape[axis], votes.clone()
            counted.narrow(axis, 0, n - 1).add_(votes.narrow(axis, 1, n - 1))
            counted.narrow(axis, 1, n - 1).add_(votes.narrow(axis, 0, n - 1))
            votes = counted
    return torch.add(votes, own, alpha=0.5).argmax(1)


def _with_targets(parts: Tensor, labels: Tensor, config: RegionsConfig, generator: torch.Generator) -> Tensor:
    """Cut parts at the boundaries of the targets, unless merged, and join them inside, unless divided."""
    labels = labels.clamp(min=0).long()
    classes, most = int(labels.max()) + 1, int(parts.max()) + 1
    chance = torch.rand((2, len(parts), classes), generator=generator)
    merged, divided = chance[0] < config.merge, chance[1] < config.divide
    merged[:, 0] = divided[:, 0] = True
    flat = labels.flatten(1)
    merged, divided = (m.to(labels.device).gather(1, flat).reshape(labels.shape) for m in (merged, divided))
    target = torch.where(merged, 0, labels)
    return target * most + torch.where(merged | divided, parts, 0)
