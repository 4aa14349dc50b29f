"""The loss of each epoch of a classifier or detector, beside its records: ``epoch`` from 1, ``train_loss``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rasd_nnu.errors import ConfigError
from rasd_nnu.files import write_text
from rasd_nnu.reading import read_table

CURVE = "training_curve.csv"
_COLUMNS = ("epoch", "train_loss")


def write_curve(path: Path, losses: Sequence[float]) -> None:
    """Write the mean loss of each epoch so far, whole or not at all, with 9 significant digits."""
    lines = [",".join(_COLUMNS), *(f"{epoch},{loss:.9g}" for epoch, loss in enumerate(losses, start=1))]
    write_text(path, "\n".join(lines) + "\n")


def read_curve(path: Path) -> dict[int, float]:
    """Return epoch -> mean loss.

    Raises:
        ConfigError: If the file cannot be read, or a cell is not a number.
    """
    found = {}
    for line, row in enumerate(read_table(path, _COLUMNS), start=2):
        try:
            found[int(row["epoch"])] = float(row["train_loss"])
        except ValueError:
            said = f"{row['epoch'][:40]!r} and {row['train_loss'][:40]!r}"
            raise ConfigError(f"{path}, line {line}, has {said}; expected an epoch and a loss. Train again.") from None
    return found
