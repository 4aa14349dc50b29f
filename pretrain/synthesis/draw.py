"""Draw the parameters of a sample: all of its randomness but the noise, in a few hundred kilobytes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.special import ndtri_exp

from rasd_nnu.pretrain.synthesis.config import SynthesisConfig
from rasd_nnu.pretrain.synthesis.lattice import Lattice
from rasd_nnu.pretrain.synthesis.priors import Range

#: Nodes of the lattice of the bias field's noise in one standard deviation of its smoothing; finer changes nothing.
_BIAS_NODES_PER_SIGMA = 1.5
_FWHM_PER_SIGMA = 2.3548


@dataclass(frozen=True)
class BiasParameters:
    """Smooth noise ``(C, *G)`` on a lattice whose border is that of the image, and its maximum ``(C,)``."""

    field: torch.Tensor
    peak: torch.Tensor


@dataclass(frozen=True)
class BodyParameters:
    """An ellipsoid with ``centre`` and ``radius`` (shares of the image, an axis) and a rough surface ``(*G)``."""

    centre: tuple[float, ...]
    radius: tuple[float, ...]
    surface: torch.Tensor


@dataclass(frozen=True)
class TubeParameters:
    """Fields ``(d - 1, *G)`` whose common zeros are curves, and the radius of the tubes around them in mm."""

    fields: torch.Tensor
    radius: float


@dataclass(frozen=True)
class InclusionParameters:
    """Centres ``(n, d)`` as shares of the image, and radii ``(n,)`` in mm."""

    centres: np.ndarray
    radii: np.ndarray


@dataclass(frozen=True)
class SampleParameters:
    """Everything that `render` needs.

    Attributes:
        config: The configuration that the sample was drawn from.
        classes: Number of classes of this sample, I.
        heatmaps: One ``(I, *G)`` a scale (eq. 1).
        flows: One ``(K, d, *G)`` a scale in mm (eq. 1), K = I or 1; empty without deformation.
        mean, std: ``(C, I)``, appearance of the regions (eq. 2).
        background_mean, background_std: ``(C,)`` (eq. 2).
        partial_volume: Blur of the boundaries before noise, in mm.
        bias: Bias field, or None.
        noise_kind, noise_std: Noise after the bias field; the std is relative to the maximum.
        noise_seed: Seed of all full-resolution noise.
        blur: Standard deviation in voxels, an axis.
        slice_axis, slice_thickness, slice_offset: In voxels; a thickness of 1 does nothing.
        gamma: ``(C,)``.
        body, tubes, inclusions: Extra structures, or None.
    """

    config: SynthesisConfig
    classes: int
    heatmaps: tuple[torch.Tensor, ...]
    flows: tuple[torch.Tensor, ...]
    mean: torch.Tensor
    std: torch.Tensor
    background_mean: torch.Tensor
    background_std: torch.Tensor
    partial_volume: float
    bias: BiasParameters | None
    noise_kind: str
    noise_std: float
    noise_seed: int
    blur: tuple[float, ...]
    slice_axis: int
    slice_thickness: float
    slice_offset: float
    gamma: torch.Tensor
    body: BodyParameters | None
    tubes: TubeParameters | None
    inclusions: InclusionParameters | None


def generator_for(seed: int, index: int, view: int = 0) -> np.random.Generator:
    """Return the generator of sample ``index`` of stream ``seed``, independent of all other samples.

    Args:
        seed: The stream.
        index: The sample.
        view: Further appearances of the sample (`reappear`) count from 1.
    """
    entropy = [seed, index, view] if view else [seed, index]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def draw(config: SynthesisConfig, generator: np.random.Generator) -> SampleParameters:
    """Draw a sample's parameters.

    Args:
        config: The priors.
        generator: Source of randomness, see `generator_for`.

    Returns:
        The parameters, which `render` turns into an image and its labels.
    """
    dice = _Dice(config, generator)
    priors = config.priors
    low, high = config.class_range
    classes = int(generator.integers(low, high, endpoint=True))
    heatmaps = _draw_heatmaps(dice, classes)
    flows = _draw_flows(dice, classes) if dice.happens(priors.deformation.probability) else ()
    return SampleParameters(
        config=config,
        classes=classes,
        heatmaps=heatmaps,
        flows=flows,
        **_draw_appearance(dice, classes),
        body=_draw_body(dice) if dice.happens(priors.body.probability) else None,
        tubes=_draw_tubes(dice) if dice.happens(priors.tubes.probability) else None,
        inclusions=_draw_inclusions(dice) if dice.happens(priors.inclusions.probability) else None,
    )


def reappear(parameters: SampleParameters, generator: np.random.Generator) -> SampleParameters:
    """Draw another appearance of the same label map: regions, bias field, noise, resolution and contrast anew.

    Args:
        parameters: The sample.
        generator: Source of randomness, see `generator_for`.
    """
    return replace(parameters, **_draw_appearance(_Dice(parameters.config, generator), parameters.classes))


class _Dice:
    """Uniform and normal draws in the units of a configuration."""

    def __init__(self, config: SynthesisConfig, generator: np.random.Generator) -> None:
        self.config = config
        self.generator = generator
        self.longest = max(n * s for n, s in zip(config.shape, config.spacing, strict=True))

    def happens(self, probability: float) -> bool:
        return bool(self.generator.random() < probability)

    def uniform(self, prior: Range) -> float:
        return float(self.generator.uniform(prior.low, prior.high))

    def uniforms(self, prior: Range, *shape: int) -> torch.Tensor:
        return torch.from_numpy(self.generator.uniform(prior.low, prior.high, shape).astype(np.float32))

    def normals(self, *shape: int) -> torch.Tensor:
        return torch.from_numpy(self.generator.standard_normal(shape, dtype=np.float32))

    def to_mm(self, unit: str, cell: float = 0.0) -> float:
        """Return how many mm a unit of length is; a voxel is one of the finest axis."""
        return {"mm": 1.0, "vox": min(self.config.spacing), "fraction": self.longest, "cell": cell}[unit]

    def length_mm(self, prior: Range) -> float:
        return self.uniform(prior) * self.to_mm(prior.unit)

    def length_vox(self, prior: Range, axis: int) -> float:
        """Draw a length along one axis, in its voxels."""
        value = self.uniform(prior)
        return value if prior.unit == "vox" else value * self.to_mm(prior.unit) / self.config.spacing[axis]

    def lattice(self, cells: int) -> Lattice:
        return Lattice.over(self.config.shape, self.config.spacing, cells)


def _draw_heatmaps(dice: _Dice, classes: int) -> tuple[torch.Tensor, ...]:
    prior = dice.config.priors.heatmaps
    drawn = []
    for cells in prior.cells:
        nodes = dice.lattice(cells).nodes
        std = dice.uniforms(prior.std, 1 if prior.shared_std else classes)
        drawn.append(dice.normals(classes, *nodes) * std.reshape(-1, *[1] * len(nodes)))
    return tuple(drawn)


def _draw_flows(dice: _Dice, classes: int) -> tuple[torch.Tensor, ...]:
    prior = dice.config.priors.deformation
    drawn = []
    for cells in prior.cells:
        lattice = dice.lattice(cells)
        std_mm = dice.uniform(prior.std) * dice.to_mm(prior.std.unit, lattice.node_distance)
        drawn.append(dice.normals(classes if prior.per_class else 1, dice.config.dims, *lattice.nodes) * std_mm)
    return tuple(drawn)


def _draw_appearance(dice: _Dice, classes: int) -> dict[str, Any]:
    """Draw what the image depends on and the label map does not, as entries of `SampleParameters`."""
    config, priors = dice.config, dice.config.priors
    mean, std = _draw_regions(dice, classes)
    axis = int(np.argmax(config.spacing))  # the coarsest axis; the first if all are equal
    sliced = config.dims == 3 and dice.happens(priors.slices.probability)
    noisy = dice.happens(priors.noise.probability)
    blurred = dice.happens(priors.blur.probability)
    return {
        "mean": mean,
        "std": std,
        "background_mean": dice.uniforms(priors.regions.background_mean, config.channels),
        "background_std": dice.uniforms(priors.regions.background_std, config.channels),
        "partial_volume": dice.length_mm(priors.regions.partial_volume),
        "bias": _draw_bias(dice) if dice.happens(priors.bias.probability) else None,
        "noise_kind": str(dice.generator.choice(priors.noise.kinds)),
        "noise_std": dice.uniform(priors.noise.std) if noisy else 0.0,
        "noise_seed": int(dice.generator.integers(2**31)),
        "blur": tuple(dice.length_vox(priors.blur.sigma, axis) if blurred else 0.0 for axis in range(config.dims)),
        "slice_axis": axis,
        "slice_thickness": dice.length_vox(priors.slices.thickness, axis) if sliced else 1.0,
        "slice_offset": float(dice.generator.random()),
        "gamma": dice.uniforms(priors.contrast.gamma, config.channels),
    }


def _draw_regions(dice: _Dice, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    prior = dice.config.priors.regions
    channels = dice.config.channels
    mean = dice.uniforms(prior.mean, channels, classes)
    if channels > 1:
        # A channel is a blend of the first one and its own draw: correlated stains, or independent sequences.
        share = dice.uniform(prior.channel_correlation)
        mean[1:] = share * mean[:1] + (1 - share) * mean[1:]
    return mean, dice.uniforms(prior.std, channels, classes)


def _draw_bias(dice: _Dice) -> BiasParameters:
    prior, config = dice.config.priors.bias, dice.config
    sigma = [dice.length_vox(prior.fwhm, axis) / _FWHM_PER_SIGMA for axis in range(config.dims)]
    steps = [min(1.0, _BIAS_NODES_PER_SIGMA / max(s, 1e-3)) for s in sigma]  # of a voxel, in nodes
    nodes = [math.ceil((n - 1) * step) + 1 for n, step in zip(config.shape, steps, strict=True)]
    peak = dice.uniforms(prior.peak, config.channels)
    if prior.peak_of_white_noise:
        # The maximum of n independent normals is drawn through its distribution function, Phi^n.
        peak *= _maximum_of_normals(dice.generator, math.prod(config.shape))
    noise = dice.generator.standard_normal((config.channels, *nodes))
    smooth = gaussian_filter(noise, (0, *[s * step for s, step in zip(sigma, steps, strict=True)]), mode="nearest")
    return BiasParameters(torch.from_numpy(smooth.astype(np.float32)), peak)


def _maximum_of_normals(generator: np.random.Generator, count: int) -> float:
    return float(ndtri_exp(np.log(generator.random()) / count))


def _draw_body(dice: _Dice) -> BodyParameters:
    prior, dims = dice.config.priors.body, dice.config.dims
    roughness = dice.uniform(prior.roughness)
    return BodyParameters(
        centre=tuple(float(c) for c in dice.generator.uniform(0.45, 0.55, dims)),
        radius=tuple(0.5 * dice.uniform(prior.radius) for _ in range(dims)),
        surface=dice.normals(*dice.lattice(4).nodes) * roughness,
    )


def _draw_tubes(dice: _Dice) -> TubeParameters:
    prior = dice.config.priors.tubes
    nodes = dice.lattice(prior.cells).nodes
    return TubeParameters(dice.normals(dice.config.dims - 1, *nodes), dice.length_mm(prior.radius))


def _draw_inclusions(dice: _Dice) -> InclusionParameters:
    prior = dice.config.priors.inclusions
    count = round(dice.uniform(prior.count))
    unit = dice.to_mm(prior.radius.unit)
    radii = dice.generator.uniform(prior.radius.low, prior.radius.high, count) * unit
    return InclusionParameters(dice.generator.random((count, dice.config.dims)), radii)
