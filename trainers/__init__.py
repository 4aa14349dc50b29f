"""nnU-Net trainers that start from RaSD weights; their classes are made when their names are asked for."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from rasd_nnu.nnunet.trainer_names import GRAMMAR, TrainerName, parse_name

if TYPE_CHECKING:
    from rasd_nnu.trainers.trainer import RaSDTrainer


@cache
def trainer_class(name: TrainerName) -> type[RaSDTrainer]:
    """Return the one class of this name; it is importable from this module, so that it can be pickled."""
    from rasd_nnu.trainers.swin import SWIN_TRAINERS
    from rasd_nnu.trainers.trainer import RaSDTrainer

    if name == RaSDTrainer.run:
        return RaSDTrainer
    base = RaSDTrainer if name.network is None else SWIN_TRAINERS[name.network]
    return type(str(name), (base,), {"__module__": __name__, "__doc__": f"{name!r}.", "run": name})


def __getattr__(name: str) -> type[RaSDTrainer]:
    """Make the trainer class ``name``.

    Raises:
        AttributeError: If the name does not follow the grammar.
    """
    parsed = parse_name(name)
    if parsed is None or parsed.kind != "Trainer":
        raise AttributeError(f"no trainer {name!r}, expected {GRAMMAR}")
    return trainer_class(parsed)
