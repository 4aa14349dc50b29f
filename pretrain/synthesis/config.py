"""The configuration of the synthesis, validated when it is made."""

from __future__ import annotations

import importlib.resources
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from rasd_nnu.errors import ConfigError, did_you_mean
from rasd_nnu.pretrain.synthesis.priors import (
    MAX_CELLS,
    OFF,
    Cells,
    Count,
    Displacement,
    Factor,
    Frozen,
    Intensity,
    Length,
    Probability,
    Range,
    Share,
    one_line,
)

#: Presets that come with the package: `paper` and `released` reproduce, `default` is ours.
PRESETS = ("default", "paper", "released")


class Heatmaps(Frozen):
    """Random heat maps, one a class (eq. 1). ``cells``: lattice cells along the longest side, one entry a scale."""

    cells: Cells
    std: Factor
    shared_std: bool = False

    @model_validator(mode="after")
    def _mergeable(self) -> Self:
        if math.lcm(*self.cells) > MAX_CELLS:
            raise ValueError(f"expected a least common multiple of at most {MAX_CELLS}")
        return self


class Deformation(Frozen):
    """Random displacement of the heat maps (eq. 1); ``per_class`` gives each heat map a field of its own."""

    cells: Cells
    std: Displacement
    probability: Probability = 1.0
    per_class: bool = False
    padding: Literal["border", "zeros"] = "border"
    half_voxel_drift: bool = False


class Regions(Frozen):
    """Appearance of the regions (eqs. 2 and 3), in intensities before augmentation."""

    mean: Intensity
    std: Intensity
    background_mean: Intensity
    background_std: Intensity
    channel_correlation: Share = OFF
    partial_volume: Length = Range(low=0, high=0, unit="vox")


class Bias(Frozen):
    """Smooth multiplicative field (eq. 4): the exponential of smoothed noise with maximum ``peak`` (log scale)."""

    peak: Factor
    fwhm: Length
    probability: Probability = 1.0
    peak_of_white_noise: bool = False


class Noise(Frozen):
    """Noise of the whole image after the bias field; one of ``kinds`` is drawn, ``std`` relative to the maximum."""

    kinds: Annotated[tuple[Literal["gaussian", "rician", "speckle", "poisson"], ...], Field(min_length=1)]
    std: Factor
    probability: Probability = 1.0


class Blur(Frozen):
    """Gaussian blur (K in eq. 4), a standard deviation an axis."""

    sigma: Length
    probability: Probability = 1.0


class Slices(Frozen):
    """Slice thickness along the coarsest axis (S in eq. 4); in 3D only."""

    thickness: Length
    probability: Probability = 0.0


class Contrast(Frozen):
    """Rescaling to 0..1 (``minmax``) and a gamma curve."""

    minmax: bool
    gamma: Factor


class Body(Frozen):
    """A random body; outside of it is class 0 without texture, as air around a patient."""

    probability: Probability = 0.0
    radius: Share = Range(low=0.6, high=1.0, unit="1")
    roughness: Share = Range(low=0.0, high=0.2, unit="1")


class Tubes(Frozen):
    """Thin curved structures, as vessels; they are the last class (blob fields never make them)."""

    probability: Probability = 0.0
    radius: Length = Range(low=0.005, high=0.02, unit="fraction")
    cells: Annotated[int, Field(ge=2, le=MAX_CELLS)] = 4


class Inclusions(Frozen):
    """Small round structures, as nuclei or nodules; they are the last class but one."""

    probability: Probability = 0.0
    count: Count = Range(low=1, high=30, unit="count")
    radius: Length = Range(low=0.01, high=0.04, unit="fraction")


class Priors(Frozen):
    """All priors of a preset."""

    heatmaps: Heatmaps
    deformation: Deformation
    regions: Regions
    bias: Bias
    noise: Noise
    blur: Blur
    slices: Slices
    contrast: Contrast
    body: Body = Body()
    tubes: Tubes = Tubes()
    inclusions: Inclusions = Inclusions()


class SynthesisConfig(Frozen):
    """What to synthesise: the geometry, the number of classes and channels, and the priors.

    Args:
        name: Name of the preset that the priors come from.
        shape: Image size in voxels, two axes of at least 32 or three of at least 4 (an anisotropic patch is
            thin along its coarse axis); 1024 at most.
        spacing: Voxel spacing in mm; structures are isotropic in mm.
        classes: Number of classes, or the range that it is drawn from for each sample; 2 to 64.
        channels: Number of channels, each with its own appearance over the same labels.
        normalization: nnU-Net's normalisation scheme of each channel, applied last; one for all if single,
            none if empty.
        priors: The ranges.

    Raises:
        ConfigError: If a key is unknown, or a unit, an order or a range is wrong.

    Example:
        >>> config = SynthesisConfig.preset("paper", shape=(32, 32, 32), classes=4)
        >>> config.max_classes
        4
    """

    name: str
    shape: tuple[Annotated[int, Field(ge=4, le=1024)], ...]
    spacing: tuple[Annotated[float, Field(gt=0)], ...]
    classes: int | tuple[int, int]
    channels: Annotated[int, Field(ge=1, le=64)] = 1
    normalization: tuple[str, ...] = ()
    priors: Priors

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(one_line(type(self), error)) from None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.shape) not in (2, 3) or (len(self.shape) == 2 and min(self.shape) < 32):
            raise ValueError("expected a shape of two axes of at least 32, or three of at least 4")
        if len(self.spacing) != len(self.shape):
            raise ValueError(f"expected a spacing an axis, {len(self.shape)} values")
        low, high = self.class_range
        if not 2 <= low <= high <= 64:
            raise ValueError("expected classes from 2 to 64, in order")
        if len(self.normalization) not in (0, 1, self.channels):
            raise ValueError(f"expected no, one or {self.channels} normalisation schemes")
        reserved = sum(p.probability > 0 for p in (self.priors.tubes, self.priors.inclusions))
        if low < 2 + reserved:
            raise ValueError(f"tubes and inclusions take a class each: expected at least {2 + reserved} classes")
        return self

    @property
    def dims(self) -> int:
        """Number of spatial dimensions."""
        return len(self.shape)

    @property
    def class_range(self) -> tuple[int, int]:
        """Smallest and largest number of classes."""
        return (self.classes, self.classes) if isinstance(self.classes, int) else self.classes

    @property
    def max_classes(self) -> int:
        """Largest number of classes of a sample."""
        return self.class_range[1]

    @classmethod
    def preset(
        cls,
        name: str = "default",
        *,
        shape: Sequence[int],
        classes: int | tuple[int, int] = 8,
        channels: int = 1,
        spacing: Sequence[float] | None = None,
        normalization: Sequence[str] = (),
        overrides: Mapping[str, Any] | None = None,
    ) -> SynthesisConfig:
        """Make a configuration from a preset.

        Args:
            name: One of `PRESETS`.
            shape: As in the class.
            classes: As in the class.
            channels: As in the class.
            spacing: As in the class; 1 mm by default.
            normalization: As in the class.
            overrides: Changed priors by dotted key, as ``{"blur.sigma": [0, 2, "vox"]}``.

        Raises:
            ConfigError: If the preset or a key is unknown, or a value is refused.
        """
        if name not in PRESETS:
            raise ConfigError(f"unknown preset {name!r}, expected {', '.join(PRESETS)}.{did_you_mean(name, PRESETS)}")
        text = importlib.resources.files("rasd_nnu.pretrain.synthesis.presets").joinpath(f"{name}.yaml").read_text()
        priors = yaml.safe_load(text)
        for dotted, value in (overrides or {}).items():
            group, _, key = dotted.partition(".")
            if not key:
                raise ConfigError(f"override {dotted!r} has no key, expected 'group.key', as 'blur.sigma'.")
            if group not in Priors.model_fields:
                known = list(Priors.model_fields)
                raise ConfigError(
                    f"unknown group {group!r} in override {dotted!r}.{did_you_mean(group, known)} "
                    f"Valid groups: {', '.join(known)}."
                )
            priors.setdefault(group, {})[key] = value
        return cls(
            name=name,
            shape=tuple(shape),
            spacing=tuple(spacing) if spacing is not None else (1.0,) * len(shape),
            classes=classes,
            channels=channels,
            normalization=tuple(normalization),
            priors=priors,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that `from_dict`, YAML and ``weights_only`` loading understand."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SynthesisConfig:
        """Make a configuration from `to_dict`'s values."""
        return cls(**values)
