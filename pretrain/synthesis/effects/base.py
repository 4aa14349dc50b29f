"""What an effect is, and the order in which effects act."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

import torch

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.priors import Frozen
from rasd_nnu.pretrain.synthesis.registry import Registry


class Stage(IntEnum):
    """The order of equations 2 to 4, and of what follows them; effects of one stage act in the order of their names."""

    REGIONS = 0  # x = r_b + sum_i r_i (eqs. 2 and 3)
    FIELD = 1  # B, multiplied with x
    NOISE = 2  # of the whole image
    KERNEL = 3  # K, a convolution
    SLICES = 4  # S, the thickness of slices
    CONTRAST = 5  # of the result


@dataclass(frozen=True)
class Canvas:
    """What an effect may look at while it renders one channel.

    Args:
        label: ``(*S)`` uint8.
        spacing: In mm, an axis.
        channel: Number of the channel.
    """

    label: torch.Tensor
    spacing: tuple[float, ...]
    channel: int

    def generator(self, seed: int) -> torch.Generator:
        """Return the source of an effect's noise in this channel."""
        return torch.Generator(self.label.device).manual_seed(seed + self.channel)

    def normals(self, generator: torch.Generator) -> torch.Tensor:
        """Return standard normal noise ``(*S)``."""
        return torch.randn(self.label.shape, generator=generator, device=self.label.device)


class Drawn(ABC):
    """An effect as it was drawn for a sample: a frozen dataclass of numbers, texts, tuples of them, and tensors."""

    @abstractmethod
    def apply(self, image: torch.Tensor, canvas: Canvas) -> torch.Tensor:
        """Render the effect, and return the result; a function of its arguments alone.

        Args:
            image: One channel ``(*S)`` float32, which may be changed; the first effect gets memory to fill.
            canvas: What else the effect may look at.
        """


class Effect(Frozen, ABC):
    """The prior of an effect: its settings, under its name, in presets and in `--set`.

    An effect that is new has defaults that leave it off, so that presets and old checkpoints stay what they are.

    Attributes:
        drawn: What `draw` returns.
    """

    drawn: ClassVar[type[Drawn]]

    @abstractmethod
    def draw(self, dice: Dice) -> Drawn | None:
        """Draw the effect for a sample; None leaves it out."""


#: All effects; `EFFECTS.add(name, stage)` enters one.
EFFECTS: Registry[Effect] = Registry()
