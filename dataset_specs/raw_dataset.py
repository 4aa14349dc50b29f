"""The tables of a prepared data set: ``dataset.json``, ``splits_final.json``, ``cases.csv`` and ``boxes.json``."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rasd_nnu.dataset_specs.splits import Fold, grouped_folds
from rasd_nnu.errors import DatasetError
from rasd_nnu.files import write_text

BOX_CONVENTION = (
    "bbox = [left, top, width, height] in pixels of the written image, counted from 0 at the outer edge of the first "
    "pixel: pixel i covers [i, i + 1), so a box around columns 3 to 5 has left 3 and width 3"
)


@dataclass(frozen=True)
class CaseRecord:
    """One row of ``cases.csv``.

    Args:
        case: Identifier in nnU-Net.
        group: Patient or other unit that no split parts.
        split: ``train``, ``valid`` (the paper's split only) or ``test``; folds are in ``splits_final.json``.
        source: Image file, relative to the source folder.
        sha256: Checksum of that file.
        label_source: Annotation file, relative to the source folder; empty where the class is in a table or path.
        label_sha256: Checksum of that file.
        image: First image file of the case, relative to the data set; further channels end in ``_0001`` and so on.
        classes: Column -> class, of classification tasks.
    """

    case: str
    group: str
    split: str
    source: str
    sha256: str
    label_source: str = ""
    label_sha256: str = ""
    image: str = ""
    classes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PreparedDataset:
    """A data set in nnU-Net's raw format.

    Args:
        path: Folder ``DatasetNNN_Name``.
        cases: Identifiers of the cases in it.
        warnings: One line each.
        converted: How many cases this call converted; 0 where nothing was left to do.
    """

    path: Path
    cases: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    converted: int = 0


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_tables(
    folder: Path, dataset_json: Mapping[str, Any], records: Sequence[CaseRecord], folds: int, seed: int
) -> None:
    """Write the tables of a data set that is split by group.

    Raises:
        DatasetError: There are fewer groups than folds.
    """
    groups = {record.case: record.group for record in records}
    write_all_tables(folder, dataset_json, records, grouped_folds(groups, folds, seed))


def write_all_tables(
    folder: Path,
    dataset_json: Mapping[str, Any],
    records: Sequence[CaseRecord],
    folds: Sequence[Fold],
    boxes: Mapping[str, Any] | None = None,
) -> None:
    """Write the tables of a data set, each whole or not at all; ``dataset.json`` last, because it completes the set."""
    write_text(folder / "splits_final.json", _json(folds))
    write_text(folder / "cases.csv", cases_table(records))
    if boxes is not None:
        write_text(folder / "boxes.json", _json(boxes))
    write_text(folder / "dataset.json", _json(dataset_json))


def cases_table(records: Sequence[CaseRecord]) -> str:
    """Return ``cases.csv`` as text."""
    columns = list(records[0].classes) if records else []
    stream = io.StringIO()
    fixed = ("source", "sha256", "label_source", "label_sha256")
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(["case", "group", "split", "image", *columns, *fixed])
    for record in records:
        classes = [record.classes[column] for column in columns]
        rest = [getattr(record, name) for name in fixed]
        table.writerow([record.case, record.group, record.split, record.image, *classes, *rest])
    return stream.getvalue()


def boxes_table(
    labels: Mapping[str, int], images: Sequence[tuple[CaseRecord, int, int]], boxes: Mapping[str, Sequence[Any]]
) -> dict[str, Any]:
    """Return the content of ``boxes.json``, in the form of COCO.

    Args:
        labels: Name -> number of the categories.
        images: Record, width and height of each image.
        boxes: Case -> ``[label, left, top, width, height]``.
    """
    entries: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (record, width, height) in enumerate(images, start=1):
        entries.append({"id": number, "case": record.case, "file_name": record.image, "width": width, "height": height})
        for label, *edges in boxes[record.case]:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": labels[label],
                    "bbox": edges,
                    "area": edges[2] * edges[3],
                    "iscrowd": 0,
                }
            )
    return {
        "info": {"convention": BOX_CONVENTION},
        "categories": [{"id": value, "name": name} for name, value in labels.items()],
        "images": entries,
        "annotations": annotations,
    }


def _json(content: Any) -> str:
    return json.dumps(content, indent=2) + "\n"


def check_id_is_free(target: Path) -> None:
    """Refuse another data set with the same id beside the target.

    Raises:
        DatasetError: The id is taken.
    """
    prefix = target.name.split("_")[0] + "_"
    taken = [path for path in target.parent.glob(f"{prefix}*") if path.is_dir() and path.name != target.name]
    if taken:
        raise DatasetError(
            f"{target.parent} holds {taken[0].name}, which has the same id as {target.name}; nnU-Net allows "
            "one data set an id. Give another one with --id, move it away, or set nnUNet_raw to another folder."
        )


def check_target(target: Path, overwrite: bool) -> None:
    """Refuse a target that exists, or another data set with the same id beside it.

    Raises:
        DatasetError: The target exists and `overwrite` is not set, or the id is taken.
    """
    if target.exists() and not overwrite:
        raise DatasetError(f"{target} exists; give --overwrite to replace it, or remove it.")
    check_id_is_free(target)


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
        move_into_place(temporary, target)
    except OSError as error:
        raise DatasetError(f"cannot write {target}: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def move_into_place(temporary: Path, target: Path) -> None:
    """Rename a complete folder to its place; what is there is removed only when that has worked."""
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
