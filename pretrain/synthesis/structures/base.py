"""What a structure is, and which class it gets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch

from rasd_nnu.pretrain.synthesis.dice import Dice
from rasd_nnu.pretrain.synthesis.lattice import Geometry
from rasd_nnu.pretrain.synthesis.priors import Frozen, Probability
from rasd_nnu.pretrain.synthesis.registry import Registry


class DrawnStructure(ABC):
    """A structure as it was drawn for a sample: a frozen dataclass of numbers, tuples of them, and tensors."""

    @abstractmethod
    def paint(self, label: torch.Tensor, value: int, geometry: Geometry) -> None:
        """Write the structure into a label map, in place.

        Args:
            label: ``(*S)`` uint8.
            value: Its class.
            geometry: Of the image.
        """


class Structure(Frozen, ABC):
    """The prior of a structure: its settings, under its name, in presets and in `--set`; off by default.

    Attributes:
        drawn: What `draw` returns.
        air: Whether it makes class 0 air without texture; else it gets a class of its own.
    """

    drawn: ClassVar[type[DrawnStructure]]
    air: ClassVar[bool] = False

    probability: Probability = 0.0

    @abstractmethod
    def draw(self, dice: Dice) -> DrawnStructure:
        """Draw the structure for a sample that has it."""


#: All structures; `STRUCTURES.add(name, place)` enters one. Later ones lie over earlier ones, air over all.
STRUCTURES: Registry[Structure] = Registry()


def add_structures(label: torch.Tensor, classes: int, drawn: Mapping[str, DrawnStructure], geometry: Geometry) -> None:
    """Write a sample's structures into its label map, in place.

    They get the last classes, in order; the blobs of these classes go to others first, so that a class means one
    thing in a sample.

    Args:
        label: ``(*S)`` uint8.
        classes: Classes of the sample.
        drawn: Its structures by name.
        geometry: Of the image.
    """
    present = {name: kind for name, kind in STRUCTURES.in_order().items() if name in drawn}
    own = [name for name, kind in present.items() if not kind.air]
    free = classes - len(own)
    if own:
        label.remainder_(free)
    for value, name in enumerate(own, start=free):
        drawn[name].paint(label, value, geometry)
    for name in present.keys() - set(own):
        drawn[name].paint(label, 0, geometry)
