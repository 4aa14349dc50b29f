"""The arguments of the networks that a description may name: of which kind, and how large at most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rasd_nnu.errors import PlansError, first_problem

#: Most weights of a network; nnU-Net's largest have 0.2 billion.
MAX_WEIGHTS = 4_000_000_000

Stages = Annotated[int, Field(strict=True, ge=1, le=16)]
Features = Annotated[int, Field(strict=True, ge=1, le=8192)]
Depth = Annotated[int, Field(strict=True, ge=1, le=64)]
Axis = Annotated[int, Field(strict=True, ge=1, le=64)]
Axes = Annotated[list[Axis], Field(min_length=1, max_length=3)]
Size = Annotated[int, Field(strict=True, ge=1, le=4096)]


class UnetArguments(BaseModel):
    """What nnU-Net's U-Nets take; one value a stage, or one for all."""

    model_config = ConfigDict(extra="allow")

    n_stages: Stages
    features_per_stage: Features | list[Features]
    conv_op: str
    kernel_sizes: Axis | list[Axis | Axes]
    strides: list[Axis | Axes]
    n_conv_per_stage: Depth | list[Depth] = 1
    n_blocks_per_stage: Depth | list[Depth] = 1
    n_conv_per_stage_decoder: Depth | list[Depth]
    conv_bias: bool = False
    norm_op: str | None = None
    dropout_op: str | None = None
    nonlin: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        dims = {"Conv2d": 2, "Conv3d": 3}.get(self.conv_op.rpartition(".")[2])
        if dims is None:
            raise ValueError(f"conv_op is {self.conv_op[:80]!r}, expected Conv2d or Conv3d")
        for name in ("features_per_stage", "kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage"):
            self._require_length(name, self.n_stages)
        self._require_length("n_conv_per_stage_decoder", self.n_stages - 1)
        for name in ("kernel_sizes", "strides"):
            value = getattr(self, name)
            if isinstance(value, list) and any(isinstance(axes, list) and len(axes) != dims for axes in value):
                raise ValueError(f"{name} has entries of other than {dims} axes, which {self.conv_op} has")
        if self._weights(dims) > MAX_WEIGHTS:
            raise ValueError(f"the network has more than {MAX_WEIGHTS:.0e} weights")
        return self

    def _require_length(self, name: str, expected: int) -> None:
        value = getattr(self, name)
        if isinstance(value, list) and len(value) != expected:
            raise ValueError(f"{name} has {len(value)} entries, expected {expected} for n_stages {self.n_stages}")

    def _weights(self, dims: int) -> int:
        """Return about how many weights the encoder has."""
        features, kernels = _each(self.features_per_stage, self.n_stages), _each(self.kernel_sizes, self.n_stages)
        convolutions = _each(self.n_conv_per_stage, self.n_stages), _each(self.n_blocks_per_stage, self.n_stages)
        sizes = [math.prod(_each(kernel, dims)) for kernel in kernels]
        return sum(f * f * size * max(a, 2 * b) for f, size, a, b in zip(features, sizes, *convolutions, strict=True))


class PrimusArguments(BaseModel):
    """What Primus takes."""

    model_config = ConfigDict(extra="allow")

    embed_dim: Size
    patch_embed_size: Annotated[list[Axis], Field(min_length=3, max_length=3)]
    input_shape: Annotated[list[Size], Field(min_length=3, max_length=3)]
    eva_depth: Depth = 24
    eva_numheads: Depth = 16

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if any(n % token for n, token in zip(self.input_shape, self.patch_embed_size, strict=True)):
            raise ValueError(f"input_shape {self.input_shape} is no multiple of {self.patch_embed_size}")
        if self.embed_dim % self.eva_numheads:
            raise ValueError(f"embed_dim {self.embed_dim} is no multiple of {self.eva_numheads} heads")
        return self


class SwinArguments(BaseModel):
    """What our Swin UNETR takes."""

    model_config = ConfigDict(extra="forbid")

    feature_size: Annotated[int, Field(strict=True, ge=12, le=768, multiple_of=12)] = 48
    dims: Literal[2, 3] = 3
    use_checkpoint: bool = False
    use_v2: bool = True


class ResidualUnetArguments(BaseModel):
    """What our residual 2D U-Net takes."""

    model_config = ConfigDict(extra="forbid")

    features_per_stage: Annotated[list[Features], Field(min_length=2, max_length=8)] = [64, 128, 256, 512, 1024]
    residual_units: Annotated[int, Field(strict=True, ge=0, le=16)] = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.15


_DNA = "dynamic_network_architectures.architectures."

#: Networks whose packages take seconds to import, or are extras; they are known without an import.
KNOWN: dict[str, type[BaseModel]] = {
    f"{_DNA}primus.Primus": PrimusArguments,
    "rasd_nnu.networks.bodies.SwinUNETR": SwinArguments,
    "rasd_nnu.networks.bodies.ResidualUnet2d": ResidualUnetArguments,
}
_UNETS = ("PlainConvUNet", "ResidualEncoderUNet")


def _is_unet(network: str) -> bool:
    return network.startswith(_DNA) and network.rpartition(".")[2] in _UNETS


def check_patch(architecture: Mapping[str, Any], patch: Sequence[int], *, divisible: bool = True) -> None:
    """Check that a described network takes a patch, as it would fail on the first batch otherwise.

    Args:
        architecture: A checked description.
        patch: Patch in voxels.
        divisible: Whether the network is to work on this very patch; else only the dimensions have to agree.

    Raises:
        PlansError: If it has other dimensions, or cannot be divided as often as the network does.
    """
    network, kwargs = architecture["network_class_name"], architecture["arch_kwargs"]
    dims, divisors = len(patch), [1] * len(patch)
    if _is_unet(network):
        dims = int(kwargs["conv_op"][-2])
        columns = zip(*(_each(stride, dims) for stride in kwargs["strides"]), strict=True)
        divisors = [math.prod(column) for column in columns]
    elif network.endswith(".SwinUNETR"):
        dims = kwargs.get("dims", 3)
        divisors = [32] * dims
    elif network.endswith(".ResidualUnet2d"):
        dims = 2
        divisors = [2 ** (len(kwargs.get("features_per_stage", range(5))) - 1)] * dims
    elif network == f"{_DNA}primus.Primus":
        dims, divisors = 3, list(kwargs["patch_embed_size"])
    if len(patch) != dims:
        raise PlansError(f"the patch {list(patch)} has {len(patch)} axes, but the network has {dims} dimensions.")
    if divisible and any(n % divisor for n, divisor in zip(patch, divisors, strict=True)):
        raise PlansError(f"the patch is {list(patch)}, expected multiples of {divisors} for this network.")


def check_arguments(network: str, arguments: Mapping[str, Any], imports: Sequence[str]) -> None:
    """Check the arguments of a network's constructor.

    Args:
        network: Full name of the class.
        arguments: Plain values by name.
        imports: Names of the arguments that are to be imported.

    Raises:
        PlansError: If one is of another kind than the network takes, or larger than any network needs.
    """
    _check_sizes(network, arguments)
    model = UnetArguments if _is_unet(network) else KNOWN.get(network)
    if model is None:
        return
    try:
        model.model_validate(dict(arguments))
    except ValidationError as error:
        raise PlansError(f"the arguments of {network} are wrong, {first_problem(error)}.") from None
    operators = [key for key in ("conv_op", "norm_op", "dropout_op", "nonlin") if arguments.get(key) is not None]
    if missing := [key for key in operators if key not in imports]:
        raise PlansError(f"_kw_requires_import of the network's description lacks {missing[0]!r}.")


def _check_sizes(network: str, value: Any) -> None:
    """Refuse numbers and lists that are larger than any network has."""
    for item in value.values() if isinstance(value, Mapping) else value:
        if isinstance(item, Mapping | list):
            if len(item) > 64:
                raise PlansError(f"the arguments of {network} have a list of {len(item)} entries, expected at most 64.")
            _check_sizes(network, item)
        elif isinstance(item, float) and not abs(item) <= 1e6:  # also refuses NaN
            raise PlansError(f"the arguments of {network} have the number {item:g}, expected at most 1e6.")
        elif isinstance(item, int) and abs(item) > 8192:
            raise PlansError(f"the arguments of {network} have the number {item}, expected at most 8192.")


def _each(value: Any, count: int) -> list[Any]:
    return value if isinstance(value, list) else [value] * count
