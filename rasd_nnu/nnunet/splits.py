"""The folds of a data set, as ``splits_final.json`` holds them."""

from __future__ import annotations

from pathlib import Path

from rasd_nnu.errors import DatasetError
from rasd_nnu.reading import read_json

Fold = dict[str, list[str]]


def read_splits(file: Path, advice: str = "Correct or remove it.") -> list[Fold]:
    """Return the folds of a ``splits_final.json``, each with the cases of ``train`` and ``val``.

    Raises:
        DatasetError: If it cannot be read or is not of nnU-Net's form.
    """
    content = read_json(file, DatasetError, advice)
    if not isinstance(content, list) or not all(map(_is_fold, content)):
        raise DatasetError(f'{file} is no list of {{"train": [...], "val": [...]}} as of nnU-Net. {advice}')
    return [{side: list(fold[side]) for side in ("train", "val")} for fold in content]


def _is_fold(fold: object) -> bool:
    return isinstance(fold, dict) and all(
        isinstance(fold.get(side), list) and all(isinstance(case, str) for case in fold[side])
        for side in ("train", "val")
    )
