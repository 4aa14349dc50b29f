"""Training curves from the text logs that nnU-Net leaves in a fold's folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_EPOCH = re.compile(r"\d: Epoch (\d+)\s*$")
_LOSS = re.compile(r"\d: (train_loss|val_loss) (-?[0-9.]+(?:e-?\d+)?|nan)")
_DICE = re.compile(r"\d: Pseudo dice \[(.*)\]")
_NUMBER = re.compile(r"(?:np\.float\d+\()?(-?[0-9.]+(?:e-?\d+)?|nan)\)?")


@dataclass
class Curves:
    """What a training logged each epoch; a value that the log lacks is not there.

    Args:
        train_loss: Epoch -> training loss.
        val_loss: Epoch -> validation loss.
        dice: Epoch -> mean over the labels of the pseudo Dice.
    """

    train_loss: dict[int, float] = field(default_factory=dict)
    val_loss: dict[int, float] = field(default_factory=dict)
    dice: dict[int, float] = field(default_factory=dict)


def read_curves(fold: Path) -> Curves:
    """Read the logs of a fold, oldest first; an epoch that was resumed replaces an earlier one."""
    curves = Curves()
    for path in sorted(fold.glob("training_log_*.txt")):
        epoch = None
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if found := _EPOCH.search(line):
                epoch = int(found[1])
            elif epoch is not None and (found := _LOSS.search(line)):
                getattr(curves, found[1])[epoch] = float(found[2])
            elif epoch is not None and (found := _DICE.search(line)):
                values = [float(number) for number in _NUMBER.findall(found[1])]
                known = [value for value in values if value == value]
                if known:
                    curves.dice[epoch] = sum(known) / len(known)
    return curves
