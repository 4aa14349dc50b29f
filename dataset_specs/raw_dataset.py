"""Write a data set of nnU-Net's raw format: atomically, with grouped splits and a table of cases."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nnunetv2.utilities.crossval_split import generate_crossval_split

from rasd_nnu.errors import DatasetError


@dataclass(frozen=True)
class CaseRecord:
    """One row of ``cases.csv``.

    Args:
        case: Identifier in nnU-Net.
        group: Patient or other unit that no split parts.
        split: ``train`` where a label is given (the folds are in ``splits_final.json``).
        source: Image file, relative to the source folder.
        sha256: Checksum of that file.
        label_source: Label file, relative to the source folder.
        label_sha256: Checksum of that file.
    """

    case: str
    group: str
    split: str
    source: str
    sha256: str
    label_source: str
    label_sha256: str


@dataclass(frozen=True)
class PreparedDataset:
    """A data set in nnU-Net's raw format.

    Args:
        path: Folder ``DatasetNNN_Name``.
        cases: Identifiers of the cases in it.
        warnings: One line each.
    """

    path: Path
    cases: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def grouped_folds(records: Sequence[CaseRecord], folds: int = 5, seed: int = 12345) -> list[dict[str, list[str]]]:
    """Split the cases for cross-validation such that no group is on both sides.

    The groups are split by nnU-Net's own function. Where every case is its own group and the seed is
    12345, the folds are therefore the ones that nnU-Net makes by default.

    Returns:
        One ``{"train": [...], "val": [...]}`` a fold.

    Raises:
        DatasetError: There are fewer groups than folds.
    """
    members: dict[str, list[str]] = {}
    for record in records:
        members.setdefault(record.group, []).append(record.case)
    if len(members) < folds:
        raise DatasetError(
            f"{len(records)} cases in {len(members)} group(s) cannot be split into {folds} folds; "
            f"expected at least {folds} groups. Give more cases."
        )
    return [
        {side: sorted(case for group in split[side] for case in members[group]) for side in ("train", "val")}
        for split in generate_crossval_split(sorted(members), seed=seed, n_splits=folds)
    ]


def write_tables(
    folder: Path, dataset_json: dict[str, Any], records: Sequence[CaseRecord], folds: int, seed: int
) -> None:
    """Write ``dataset.json``, ``splits_final.json`` and ``cases.csv`` into a data set folder.

    Raises:
        DatasetError: There are fewer groups than folds.
    """
    _write_json(folder / "splits_final.json", grouped_folds(records, folds, seed))
    _write_json(folder / "dataset.json", dataset_json)
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, [field.name for field in fields(CaseRecord)], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(record) for record in records)


def _write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def check_target(target: Path, overwrite: bool) -> None:
    """Refuse a target that exists, or another data set with the same id beside it.

    Raises:
        DatasetError: The target exists and `overwrite` is not set, or the id is taken.
    """
    if target.exists() and not overwrite:
        raise DatasetError(f"{target} exists; give --overwrite to replace it, or remove it.")
    prefix = target.name.split("_")[0] + "_"
    taken = [path for path in target.parent.glob(f"{prefix}*") if path.is_dir() and path.name != target.name]
    if taken:
        raise DatasetError(
            f"{target.parent} holds {taken[0].name}, which has the same id as {target.name}; nnU-Net allows "
            "one data set an id. Move it away or set nnUNet_raw to another folder."
        )


@contextmanager
def new_dataset(target: Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `target` that becomes `target` when the block ends without an error.

    The folder holds empty ``imagesTr`` and ``labelsTr``. An existing target stays untouched until then.

    Raises:
        DatasetError: As `check_target`, or the folder cannot be written.
    """
    check_target(target, overwrite)
    temporary = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        for name in ("imagesTr", "labelsTr"):
            (temporary / name).mkdir(parents=True)
        yield temporary
        _move_into_place(temporary, target)
    except OSError as error:
        raise DatasetError(f"cannot write {target}: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move_into_place(temporary: Path, target: Path) -> None:
    if not target.exists():
        temporary.rename(target)
        return
    old = temporary.with_suffix(".old")
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)
