"""The configuration of the synthesis, validated when it is made."""

from __future__ import annotations

import importlib.resources
import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, SerializeAsAny, ValidationError, create_model, field_validator, model_validator

from rasd_nnu.errors import ConfigError, did_you_mean
from rasd_nnu.pretrain.synthesis.effects import EFFECTS
from rasd_nnu.pretrain.synthesis.heatmaps import Deformation, Heatmaps
from rasd_nnu.pretrain.synthesis.lattice import Geometry
from rasd_nnu.pretrain.synthesis.priors import Frozen, one_line
from rasd_nnu.pretrain.synthesis.structures import STRUCTURES

#: Presets that come with the package: `paper` and `released` reproduce, `default` is ours.
PRESETS = ("default", "paper", "released")


class Priors(Frozen):
    """All priors of a preset; `priors_model` adds those of the registered effects and structures."""

    heatmaps: Heatmaps
    deformation: Deformation


def priors_model() -> type[Priors]:
    """Return the model of all priors, a group for each registered effect and structure.

    Example:
        >>> list(priors_model().model_fields)[:4]
        ['heatmaps', 'deformation', 'regions', 'bias']
    """
    return _compose(tuple(EFFECTS.in_order().items()), tuple(STRUCTURES.in_order().items()))


@lru_cache(maxsize=8)
def _compose(*registered: tuple[tuple[str, type[Frozen]], ...]) -> type[Priors]:
    groups: dict[str, Any] = {}
    for name, kind in itertools.chain(*registered):
        required = any(setting.is_required() for setting in kind.model_fields.values())
        groups[name] = (kind, ... if required else kind())
    return create_model("Priors", __base__=Priors, **groups)


class SynthesisConfig(Frozen):
    """What to synthesise: the geometry, the number of classes and channels, and the priors.

    Args:
        name: Name of the preset that the priors come from.
        shape: Image size in voxels, two axes of at least 16 or three of at least 4 (an anisotropic patch is
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
    priors: SerializeAsAny[Priors]

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(one_line(type(self), error)) from None

    @field_validator("priors", mode="before")
    @classmethod
    def _of_registered_groups(cls, value: Any) -> Any:
        model = priors_model()
        try:
            return model.model_validate(value.model_dump() if isinstance(value, Priors) else value)
        except ValidationError as error:
            raise ConfigError(one_line(model, error, "priors")) from None

    def __reduce__(self) -> tuple[Any, ...]:
        # The class of the priors is made at run time: pickle, for worker processes, cannot look it up.
        return type(self).from_dict, (self.to_dict(),)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.shape) not in (2, 3) or (len(self.shape) == 2 and min(self.shape) < 16):
            raise ValueError(
                f"expected a shape of two axes of at least 16, or three of at least 4, got {list(self.shape)}"
            )
        if len(self.spacing) != len(self.shape):
            raise ValueError(f"expected a spacing an axis, {len(self.shape)} values")
        low, high = self.class_range
        if not 2 <= low <= high <= 64:
            raise ValueError("expected classes from 2 to 64, in order")
        if len(self.normalization) not in (0, 1, self.channels):
            raise ValueError(f"expected no, one or {self.channels} normalisation schemes")
        own = [name for name, kind in STRUCTURES.in_order().items() if not kind.air]
        own = [name for name in own if getattr(self.priors, name).probability > 0]
        if low < 2 + len(own):
            raise ValueError(f"{' and '.join(own)} need a class of their own: expected at least {2 + len(own)} classes")
        return self

    @property
    def dims(self) -> int:
        """Number of spatial dimensions."""
        return len(self.shape)

    @property
    def geometry(self) -> Geometry:
        """Shape, spacing and channels of the image."""
        return Geometry(self.shape, self.spacing, self.channels)

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
        classes: int | tuple[int, int] | None = None,
        channels: int = 1,
        spacing: Sequence[float] | None = None,
        normalization: Sequence[str] = (),
        overrides: Mapping[str, Any] | None = None,
    ) -> SynthesisConfig:
        """Make a configuration from a preset.

        Args:
            name: One of `PRESETS`.
            shape: As in the class.
            classes: As in the class; 8 in 3D and 16 in 2D by default.
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
            known = list(priors_model().model_fields)
            if group not in known:
                raise ConfigError(
                    f"unknown group {group!r} in override {dotted!r}.{did_you_mean(group, known)} "
                    f"Valid groups: {', '.join(known)}."
                )
            priors.setdefault(group, {})[key] = value
        return cls(
            name=name,
            shape=tuple(shape),
            spacing=tuple(spacing) if spacing is not None else (1.0,) * len(shape),
            classes=(8 if len(shape) == 3 else 16) if classes is None else classes,
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
