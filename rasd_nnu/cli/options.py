"""Parsing of options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rasd_nnu.errors import ConfigError

_PICTURES = ("png", "pdf", "svg")

#: What may be adapted beyond the rules that keep the function; `rasd_nnu.transfer.FitOptions` explains them.
WidthOption = Annotated[
    Literal["crop", "pad"] | None,
    typer.Option("--width", help="Fit networks of other width: crop or pad their channels."),
]
InflateOption = Annotated[
    Literal["centre", "mean"] | None,
    typer.Option("--inflate", help="Fit a 2D network into a 3D one: kernels in the centre slice, or as a mean."),
]
ChannelsOption = Annotated[
    str | None,
    typer.Option(
        "--channels", help="For each channel of the plan the checkpoint's, by name or number, - if new: T1,T2,-"
    ),
]

FoldOption = Annotated[
    str | None,
    typer.Option("-f", "--fold", help="The fold to train; needed for weights that learned from cases."),
]
TransferOption = Annotated[
    Literal["whole", "encoder"] | None,
    typer.Option(
        "--transfer",
        help="What to transfer; without it the encoder of ours, the whole of others and of those that saw cases.",
    ),
]
RequireOption = Annotated[
    float | None,
    typer.Option(
        "--require",
        min=0,
        max=1,
        help="Least share of the parameters that must fit. Default: all, or 0.7 of the encoder where the checkpoint is "
        "of another network.",
    ),
]


def parse_dims(text: str) -> int:
    """Turn ``2d`` or ``3d`` into 2 or 3."""
    if text not in ("2d", "3d"):
        raise ConfigError(f"unknown dimension {text!r}, expected 2d or 3d.")
    return int(text[0])


def whole_number(text: str) -> int | None:
    """Turn ASCII digits, 18 at most, into a number; None for anything else, such as ``\u00b2``."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def parse_numbers(text: str, option: str, kind: type[int] | type[float] = int) -> tuple[Any, ...]:
    """Turn ``64,64,32`` (or ``64x64x32``) into numbers.

    Raises:
        ConfigError: If a part is not a number.
    """
    try:
        if not text.isascii():
            raise ValueError
        numbers = tuple(kind(part) for part in text.replace("x", ",").split(","))
        if not all(abs(number) < 2**63 for number in numbers):  # also refuses NaN
            raise ValueError
    except ValueError:
        raise ConfigError(f"{option} is {text[:80]!r}, expected numbers separated by commas, as 64,64,32.") from None
    return numbers


def chosen_device(text: str) -> str:
    """Turn ``auto``, ``cpu`` or ``cuda`` into ``cpu`` or ``cuda``.

    Raises:
        ConfigError: If it is none of these.
    """
    if text not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"--device is {text!r}, expected auto, cpu or cuda.")
    if text != "auto":
        return text
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def parse_duration(text: str, option: str) -> float:
    """Turn ``90s``, ``20m`` or ``1.5h`` into seconds.

    Raises:
        ConfigError: If it is none of these, or not above 0.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text, re.ASCII)
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if not seconds:
        raise ConfigError(f"{option} is {text!r}, expected a time as 90s, 20m or 1.5h.")
    return seconds


def parse_classes(text: str) -> int | tuple[int, int]:
    """Turn ``8``, or a range as ``4-12``, into a number of classes."""
    low, dash, high = text.partition("-")
    numbers = whole_number(low), whole_number(high) if dash else 0
    if numbers[0] is None or numbers[1] is None:
        raise ConfigError(f"--classes is {text[:80]!r}, expected a number or a range, as 8 or 4-12.")
    return (numbers[0], numbers[1]) if dash else numbers[0]


def parse_overrides(items: list[str]) -> dict[str, Any]:
    """Turn ``blur.sigma=[0,2,vox]`` items into overrides of a preset."""
    from rasd_nnu.reading import parse_yaml

    overrides = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals:
            raise ConfigError(f"--set got {item!r}, expected group.key=value, as 'blur.sigma=[0,2,vox]'.")
        overrides[key.strip()] = parse_yaml(value, f"the value of --set {key[:80]}")
    return overrides


def picture_format(path: Path) -> str:
    """Return the format of a picture by the ending of its name.

    Raises:
        ConfigError: If it is none that we write; matplotlib would choose one, and another name.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in _PICTURES:
        raise ConfigError(f"--out is {path}, expected a name that ends in {', '.join(f'.{e}' for e in _PICTURES)}.")
    return ending


def refuse_existing(path: Path, overwrite: bool, option: str = "--out") -> None:
    """Raise an error if ``path`` exists and may not be overwritten.

    Raises:
        ConfigError: The message has the fix, ``--overwrite`` or another path.
    """
    if path.exists() and not overwrite:
        raise ConfigError(f"{path} exists. Give --overwrite, or another {option}.")
