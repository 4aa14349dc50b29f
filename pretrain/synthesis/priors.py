"""Ranges with units that the groups of the configuration consist of, and how their errors are told."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from rasd_nnu.errors import did_you_mean

#: The heat maps of all scales are summed on one lattice of this many cells at most (see `masks.sum_scales`).
MAX_CELLS = 64


class Frozen(BaseModel):
    """A validated, immutable group of settings; an unknown key is an error that names the nearest valid one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def one_line(model: type[BaseModel], error: ValidationError, *prefix: str) -> str:
    """Turn pydantic's first complaint into: key, what is wrong, what was got, the nearest valid key.

    Args:
        model: What was validated.
        error: What pydantic says.
        prefix: Where the model lies within the whole, a part each.
    """
    first = error.errors()[0]
    path = [part for part in first["loc"] if isinstance(part, str)]
    key = ".".join([*prefix, *path]) or model.__name__
    if first["type"] != "extra_forbidden":
        got = first.get("input")
        shown = "" if isinstance(got, dict) else f", got {got!r}"  # the whole model says nothing to a reader
        return f"{key}: {first['msg'].removeprefix('Value error, ').rstrip('.')}{shown}."
    group: Any = model
    for part in path[:-1]:
        group = group.model_fields[part].annotation
    known = list(group.model_fields)
    return f"unknown key {key!r}.{did_you_mean(path[-1], known)} Valid keys: {', '.join(known)}."


class Range(BaseModel):
    """A prior: values are drawn uniformly from ``low`` to ``high``, in ``unit``. Written ``[low, high, unit]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float
    high: float
    unit: str

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        if isinstance(value, Sequence) and not isinstance(value, str):
            if len(value) != 3:
                raise ValueError("expected [low, high, unit]")
            return dict(zip(("low", "high", "unit"), value, strict=True))
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError("expected finite low <= high")
        return self

    def __str__(self) -> str:
        return f"{self.low:g} .. {self.high:g} {self.unit}"


def _checked(units: tuple[str, ...], lowest: float, highest: float) -> Callable[[Range], Range]:
    def check(value: Range) -> Range:
        if value.unit not in units:
            raise ValueError(f"expected a unit of {', '.join(units)}.{did_you_mean(value.unit, units)}")
        if value.low < lowest or value.high > highest:
            raise ValueError(f"expected values from {lowest:g} to {highest:g} {value.unit}")
        return value

    return check


#: A length: in voxels of the image, millimetres, or as a fraction of the longest side.
Length = Annotated[Range, AfterValidator(_checked(("vox", "mm", "fraction"), 0, math.inf))]
#: A displacement: as a length, or in cells of the lattice that it is drawn on.
Displacement = Annotated[Range, AfterValidator(_checked(("vox", "mm", "fraction", "cell"), 0, math.inf))]
#: A share of the intensity range, which is 0 to 1 before normalisation.
Intensity = Annotated[Range, AfterValidator(_checked(("intensity",), 0, math.inf))]
#: A dimensionless factor or exponent.
Factor = Annotated[Range, AfterValidator(_checked(("1",), 0, math.inf))]
#: A share from 0 to 1.
Share = Annotated[Range, AfterValidator(_checked(("1",), 0, 1))]
#: A number of things.
Count = Annotated[Range, AfterValidator(_checked(("count",), 0, 10_000))]
Probability = Annotated[float, Field(ge=0, le=1)]
Cells = Annotated[tuple[Annotated[int, Field(ge=1, le=MAX_CELLS)], ...], Field(min_length=1)]

OFF = Range(low=0, high=0, unit="1")
