"""What a page shows beside the statistics; the workflow gathers it, the page only draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """An image that is put into the page.

    Args:
        data: The encoded file.
        mime: Its type, such as ``image/png``.
        caption: What it shows.
        width: Width in pixels.
        height: Height in pixels.
    """

    data: bytes
    mime: str
    caption: str
    width: int
    height: int


@dataclass(frozen=True)
class Line:
    """One curve.

    Args:
        name: What it is of.
        style: ``a``, ``b`` or ``c``: whose colour it has.
        x: Positions.
        y: Values.
        dashed: True for a companion of the curve of the same colour.
    """

    name: str
    style: str
    x: Sequence[float]
    y: Sequence[float]
    dashed: bool = False


@dataclass(frozen=True)
class Pair:
    """A setting in both arms.

    Args:
        name: The setting.
        a: Its value in arm A.
        b: Its value in arm B.
    """

    name: str
    a: str
    b: str

    @property
    def differs(self) -> bool:
        """Tell whether the values are different."""
        return self.a != self.b


@dataclass(frozen=True)
class Transfer:
    """What an arm took from a checkpoint.

    Args:
        arm: The arm.
        parts: Part of the network, tensors, and share of its parameters that was transferred.
        reasons: What was done (copied, adapted, left) and why, and for how many tensors.
        warnings: What a reader should know.
    """

    arm: str
    parts: Sequence[tuple[str, int, float]]
    reasons: Sequence[tuple[str, str, int]]
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Pretraining:
    """How the checkpoint of an arm was made.

    Args:
        arm: The arm.
        sentence: Iterations, samples and time.
        losses: Curves of the losses.
        accuracy: Curve of the share of voxels that are nearest to their own prototype.
        samples: Synthetic images and labels.
    """

    arm: str
    sentence: str
    losses: Sequence[Line] = ()
    accuracy: Sequence[Line] = ()
    samples: Picture | None = None


@dataclass(frozen=True)
class Details:
    """What is known about one comparison beside its records; anything may be missing.

    Args:
        note: Warning above everything, such as that the images are a phantom.
        cases: Overlays of single cases.
        colours: Label and its colour in the overlays.
        losses: Training loss of both arms, dashed where there is a validation loss beside it.
        dice: Pseudo Dice of both arms during training.
        pretraining: How each pre-trained arm's checkpoint was made.
        transfer: What each pre-trained arm took from it.
        paper: Method and score as the paper prints them.
        paper_note: What to know about the paper's row.
        settings: Recipe and environment.
        missing: What could not be shown, and why, one line each.
    """

    note: str = ""
    cases: Sequence[Picture] = ()
    colours: Sequence[tuple[str, str]] = ()
    losses: Sequence[Line] = ()
    dice: Sequence[Line] = ()
    pretraining: Sequence[Pretraining] = ()
    transfer: Sequence[Transfer] = ()
    paper: Sequence[tuple[str, str]] = ()
    paper_note: str = ""
    settings: Sequence[Pair] = ()
    missing: Sequence[str] = ()
