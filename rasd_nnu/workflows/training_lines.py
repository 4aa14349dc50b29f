"""The curves of all trainings of a comparison, for its page."""

from __future__ import annotations

from pathlib import Path

from rasd_nnu.compare.page import Line
from rasd_nnu.compare.result import Comparison
from rasd_nnu.errors import FileError
from rasd_nnu.nnunet.results import fold_folder
from rasd_nnu.nnunet.training_log import Curves, read_curves
from rasd_nnu.tasks.curve import CURVE, read_curve


def training_lines(comparison: Comparison) -> tuple[list[Line], list[Line]]:
    """Return the losses and the pseudo Dice of every training; arm B first, so that A lies above.

    Raises:
        UserError: If no training left a curve, or one cannot be read.
    """
    losses, dice = [], []
    for name, style in zip(reversed(comparison.names), "ba", strict=True):
        for source in comparison.sources[name]:
            curves = _curves(comparison, Path(source))
            for values, dashed in ((curves.train_loss, bool(curves.val_loss)), (curves.val_loss, False)):
                if values:
                    losses.append(Line(name, style, list(values), list(values.values()), dashed))
            if curves.dice:
                dice.append(Line(name, style, list(curves.dice), list(curves.dice.values())))
    if not losses:
        log = "training_log of nnU-Net" if comparison.kind == "segmentation" else f"{CURVE} of `rasd_nnu finetune`"
        raise FileError(f"no {log} beside the records")
    return losses, dice


def _curves(comparison: Comparison, records: Path) -> Curves:
    """Return what a training logged: nnU-Net in its text logs, a classifier or detector in a table."""
    fold = fold_folder(records)
    if fold is None:
        return Curves()
    if comparison.kind == "segmentation":
        return read_curves(fold)
    return Curves(train_loss=read_curve(fold / CURVE)) if (fold / CURVE).is_file() else Curves()
