"""A new appearance for real images, between a curve of their intensities and the engine's fully random one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from rasd_nnu.pretrain.synthesis.appearance import render_image
from rasd_nnu.pretrain.synthesis.config import SynthesisConfig
from rasd_nnu.pretrain.synthesis.curves import look_up_curve, random_curves
from rasd_nnu.pretrain.synthesis.draw import draw_view
from rasd_nnu.pretrain.synthesis.effects.regions import RegionAppearance
from rasd_nnu.pretrain.synthesis.priors import Probability
from rasd_nnu.pretrain.synthesis.random_convolution import random_convolution
from rasd_nnu.pretrain.synthesis.regions import RegionsConfig, Settings, regions, uniform

Pair = tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]
_EPSILON = 1e-6


#: nnU-Net's normalisation after which an image has mean 0 and standard deviation 1; after any other, the range of its
#: intensities means something (a window of CT, 0 to 1) and is what a new appearance keeps.
_STANDARDISED = "ZScoreNormalization"

#: Most classes of the engine.
MAX_CLASSES = 64


class RenewConfig(Settings):
    """How real images get a new appearance, and which share of a batch.

    Args:
        kind: From the mildest: ``curve`` (a random curve of all intensities, no regions, texture kept), ``shift``
            (a shift and a scale for each region, texture kept), ``random`` (everything of the regions as the engine
            draws it); ``convolution`` (random convolutions, no regions: GIN of Ouyang et al. 2022) is a baseline.
        share: Largest share of a batch that is renewed.
        begin: Share of the training without any.
        end: Share of the training after which there is none.
        falling: Whether the share falls to 0 from ``begin`` to ``end``; otherwise it stays.
        blend: Range of the new image's weight against the old one.
        rising: Chance that a curve never falls.
        inverted: Chance that a rising curve is turned around.
        contrast: Range of the factor of a region's texture (``shift``).
        spread: Range of the standard deviation of the regions' shifts, in standard deviations of the image.
        alike: Chance that the regions' new means lie around a random curve of their old means, so that regions that
            look alike go on to; otherwise they are independent (``random``), or around the old ones (``shift``).
        jitter: Standard deviation around that curve, in shares of the intensity range.
        keep: What the new image has in common with the old one, for each image and channel: ``moments`` (mean and
            standard deviation; for images that were standardised) or ``range`` (minimum and maximum; for
            intensities that were rescaled to 0..1, and for CT, whose values then stay within the plan's window).
        preset: The engine's priors (``random``).
        regions: How images are divided.

    Raises:
        ConfigError: If a key is unknown or a value out of its range.
    """

    kind: Literal["curve", "shift", "random", "convolution"] = "shift"
    share: Probability = 0.5
    begin: Probability = 0.0
    end: Probability = 1.0
    falling: bool = False
    blend: Pair = (1.0, 1.0)
    rising: Probability = 0.5
    inverted: Probability = 0.5
    contrast: Pair = (0.5, 1.5)
    spread: Pair = (0.2, 1.0)
    alike: Probability = 0.0
    jitter: Annotated[float, Field(ge=0)] = 0.05
    keep: Literal["moments", "range"] = "moments"
    preset: str = "default"
    regions: RegionsConfig = RegionsConfig()

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("blend", "contrast", "spread"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"expected {name} from low to high")
        if self.blend[1] > 1:
            raise ValueError("expected blend up to 1")
        if self.begin >= self.end:
            raise ValueError("expected begin below end")
        return self

    def share_at(self, progress: float) -> float:
        """Return the share of a batch that is renewed when ``progress`` (0 to 1) of a training is done."""
        if not self.begin <= progress < self.end:
            return 0.0
        return self.share * ((self.end - progress) / (self.end - self.begin) if self.falling else 1.0)


def adapted(config: RenewConfig, normalization: Sequence[str]) -> RenewConfig:
    """Return the configuration with what new images keep of old ones fitted to the plan, unless it was asked for."""
    if "keep" in config.model_fields_set or all(scheme == _STANDARDISED for scheme in normalization):
        return config
    return config.model_copy(update={"keep": "range"})


def renew(
    images: Tensor,
    labels: Tensor,
    config: RenewConfig,
    generator: torch.Generator,
    *,
    share: float | None = None,
    spacing: Sequence[float] | None = None,
) -> Tensor:
    """Give a share of a batch a new appearance; labels stay as they are.

    Args:
        images: ``(B, C, *S)`` float, normalised as the network sees them.
        labels: ``(B, *S)`` integer, 0 is background.
        config: How.
        generator: Source of all randomness, on the CPU.
        share: Chance of an image to be renewed; ``config.share`` by default.
        spacing: Voxel spacing in mm; 1 along each axis by default.

    Returns:
        New images like ``images``; with share 0 ``images`` themselves, and nothing is drawn.

    Example:
        >>> images, labels = torch.randn(2, 1, 32, 32), torch.zeros(2, 32, 32, dtype=torch.long)
        >>> renew(images, labels, RenewConfig(kind="curve"), torch.Generator().manual_seed(0)).shape
        torch.Size([2, 1, 32, 32])
    """
    share = config.share if share is None else share
    if share == 0:
        return images
    chosen = (torch.rand(len(images), generator=generator) < share).nonzero()[:, 0].to(images.device)
    if not len(chosen):
        return images
    with torch.no_grad():
        old = images[chosen].float()
        new = _KINDS[config.kind](old, labels[chosen], config, generator, tuple(spacing or (1.0,) * (old.ndim - 2)))
        weight = _per_image(uniform(generator, *config.blend, len(old)), old)
        new = torch.lerp(old, _restored(new, old, config.keep), weight)
        result = images.clone()
        result[chosen] = _restored(new, old, config.keep).to(images.dtype)
    return result


def _per_image(values: Tensor, images: Tensor) -> Tensor:
    """Reshape ``(B,)`` or ``(B, C)`` so that it broadcasts against ``(B, C, *S)``."""
    return values.to(images.device).reshape(*values.shape, *[1] * (images.ndim - values.ndim))


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each image and channel, ready to broadcast."""
    std, mean = torch.std_mean(images, dim=tuple(range(2, images.ndim)), keepdim=True, correction=0)
    return mean, std


def _limits(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return minimum and width of the range of each image and channel, ready to broadcast."""
    axes = tuple(range(2, images.ndim))
    low = images.amin(axes, keepdim=True)
    return low, images.amax(axes, keepdim=True) - low


def _restored(new: Tensor, old: Tensor, keep: str) -> Tensor:
    """Shift and scale ``new`` so that it has the moments, or the range, of ``old``."""
    measure = _moments if keep == "moments" else _limits
    (new_level, new_width), (old_level, old_width) = measure(new), measure(old)
    return (new - new_level) / new_width.clamp(min=_EPSILON) * old_width + old_level


def _curve(
    old: Tensor, labels: Tensor, config: RenewConfig, generator: torch.Generator, _: tuple[float, ...]
) -> Tensor:
    low, width = _limits(old)
    curves = random_curves(old.shape[0] * old.shape[1], config.rising, config.inverted, generator).to(old.device)
    unit = (old - low) / width.clamp(min=_EPSILON)
    return look_up_curve(curves, unit.reshape(len(curves), -1)).reshape(old.shape)


def _region_means(old: Tensor, parts: Tensor) -> Tensor:
    """Return the mean of each region, ``(B, C, R)``; 0 where a region is absent."""
    flat = parts.flatten(1)
    count = torch.zeros((len(old), int(parts.max()) + 1), device=old.device)
    count.scatter_add_(1, flat, torch.ones_like(flat, dtype=count.dtype))
    sums = torch.zeros((*old.shape[:2], count.shape[1]), device=old.device)
    sums.scatter_add_(2, flat[:, None].expand(-1, old.shape[1], -1), old.flatten(2))
    return sums / count.clamp(min=1)[:, None]


def _spread_out(values: Tensor, parts: Tensor) -> Tensor:
    """Give each voxel its region's value: ``(B, C, R)`` -> ``(B, C, *S)``."""
    flat = parts.flatten(1)[:, None].expand(-1, values.shape[1], -1)
    return values.gather(2, flat).reshape(*values.shape[:2], *parts.shape[1:])


def _alike_means(means: Tensor, old: Tensor, config: RenewConfig, generator: torch.Generator) -> Tensor:
    """Return means 0..1 around a random curve of the old ones, a curve for each image and channel."""
    low, width = (v.flatten(2) for v in _limits(old))
    unit = ((means - low) / width.clamp(min=_EPSILON)).clamp(0, 1)
    curves = random_curves(means.shape[0] * means.shape[1], config.rising, config.inverted, generator)
    moved = look_up_curve(curves.to(means.device), unit.flatten(0, 1)).reshape(means.shape)
    return moved + config.jitter * torch.randn(means.shape, generator=generator).to(means.device)


def _shift(
    old: Tensor, labels: Tensor, config: RenewConfig, generator: torch.Generator, spacing: tuple[float, ...]
) -> Tensor:
    parts = regions(old, labels, config.regions, generator, spacing)
    means = _region_means(old, parts)
    spread = _per_image(uniform(generator, *config.spread, len(old)), means) * _moments(old)[1].flatten(2)
    shifted = means + spread * torch.randn(means.shape, generator=generator).to(old.device)
    alike = _per_image(torch.rand(len(old), generator=generator) < config.alike, means)
    shifted = torch.where(alike, _alike_means(means, old, config, generator) * _limits(old)[1].flatten(2), shifted)
    factor = uniform(generator, *config.contrast, *means.shape).to(old.device)
    return (old - _spread_out(means, parts)) * _spread_out(factor, parts) + _spread_out(shifted, parts)


@lru_cache(maxsize=64)
def _engine(
    preset: str, shape: tuple[int, ...], spacing: tuple[float, ...], channels: int, classes: int
) -> SynthesisConfig:
    return SynthesisConfig.preset(preset, shape=shape, spacing=spacing, channels=channels, classes=classes)


def _random(
    old: Tensor, labels: Tensor, config: RenewConfig, generator: torch.Generator, spacing: tuple[float, ...]
) -> Tensor:
    parts = regions(old, labels, config.regions, generator, spacing)
    return render_regions(old, parts, config, generator, spacing=spacing)


def render_regions(
    images: Tensor,
    parts: Tensor,
    config: RenewConfig,
    generator: torch.Generator,
    *,
    spacing: Sequence[float] | None = None,
) -> Tensor:
    """Draw a new appearance of regions: the engine's, with all its artefacts.

    Args:
        images: ``(B, C, *S)`` that the regions are of; regions that look alike may go on to (``config.alike``).
        parts: ``(B, *S)`` from `regions`; those beyond the engine's 64 classes share the appearance of others.
        config: ``alike``, ``jitter``, ``keep`` and ``preset`` are used.
        generator: Source of all randomness, on the CPU.
        spacing: Voxel spacing in mm; 1 along each axis by default.

    Returns:
        ``(B, C, *S)`` with the moments, or the range, of ``images``.
    """
    spacing = tuple(spacing or (1.0,) * (images.ndim - 2))
    parts = parts % MAX_CLASSES
    means = _alike_means(_region_means(images, parts), images, config, generator).clamp(0, 1).cpu()
    alike = torch.rand(len(images), generator=generator) < config.alike
    engine = _engine(config.preset, tuple(images.shape[2:]), spacing, images.shape[1], max(2, means.shape[2]))
    new = []
    for index, own in enumerate(parts):
        numbers = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
        parameters = draw_view(engine, numbers, engine.max_classes)
        if alike[index] and means.shape[2] > 1:
            drawn = parameters.effects["regions"]
            assert isinstance(drawn, RegionAppearance)
            parameters = parameters.with_effects(regions=replace(drawn, mean=means[index]))
        new.append(render_image(own.to(torch.uint8), parameters))
    return _restored(torch.stack(new), images, config.keep)


def _convolution(
    old: Tensor, labels: Tensor, config: RenewConfig, generator: torch.Generator, _: tuple[float, ...]
) -> Tensor:
    return random_convolution(old, generator)


_Kind = Callable[[Tensor, Tensor, RenewConfig, torch.Generator, tuple[float, ...]], Tensor]
_KINDS: dict[str, _Kind] = {"curve": _curve, "shift": _shift, "random": _random, "convolution": _convolution}
