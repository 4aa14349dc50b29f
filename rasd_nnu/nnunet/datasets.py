"""nnU-Net's data sets: ids and full names."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from rasd_nnu.errors import DatasetError, PlansError, did_you_mean
from rasd_nnu.nnunet.env import NNUNET_FOLDERS, nnunet_folder, nnunet_folder_if_set
from rasd_nnu.reading import read_json_object, read_table


def dataset_id(name: str) -> int:
    """Return the id in a full name.

    Example:
        >>> dataset_id("Dataset004_Hippocampus")
        4

    Raises:
        PlansError: If it is no full name.
    """
    match = re.match(r"Dataset([0-9]{3})_", name)
    if match is None:
        raise PlansError(f"the data set is called {name[:80]!r}, expected DatasetNNN_Name with three digits.")
    return int(match[1])


def dataset_name(dataset: str | int) -> str:
    """Turn ``4``, ``"4"`` or ``"Dataset004_Hippocampus"`` into the full name of an existing data set.

    Raises:
        PlansError: If no data set, or more than one, has this id or name.
    """
    folders = [nnunet_folder(variable) for variable in NNUNET_FOLDERS]
    known = sorted({p.name for f in folders if f.is_dir() for p in f.glob("Dataset[0-9][0-9][0-9]_*") if p.is_dir()})
    text = str(dataset)
    if text.isascii() and text.isdigit():
        matches = [name for name in known if name.startswith(f"Dataset{text.lstrip('0'):0>3}_")]
    else:
        matches = [name for name in known if name == text]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise PlansError(f"data set id {text} is ambiguous: {', '.join(matches)}. Rename or remove all but one.")
    raise PlansError(
        f"no data set {text[:80]!r} in nnUNet_raw, nnUNet_preprocessed or nnUNet_results "
        f"(found: {', '.join(known) or 'none'}).{did_you_mean(text[:80], known)} "
        "Prepare one with `rasd_nnu tasks prepare` or convert your own to nnU-Net's raw format."
    )


def task_of(folder: Path) -> str:
    """Return ``segmentation``, ``classification`` or ``detection`` of a raw data set.

    A folder without ``dataset.json``, as of a data set that is only left preprocessed, is one of segmentation.
    """
    file = folder / "dataset.json"
    content = read_json_object(file, DatasetError) if file.is_file() else {}
    return str(content.get("task", "segmentation"))


def patients_of(dataset: str, cases: list[str]) -> dict[str, str]:
    """Return case -> patient from the raw data set's ``cases.csv``; without it, each case is a patient of its own."""
    raw = nnunet_folder_if_set("nnUNet_raw")
    file = None if raw is None else raw / dataset / "cases.csv"
    if file is None or not file.is_file():
        return {case: case for case in cases}
    groups = {row["case"]: row["group"] for row in read_table(file, ("case", "group"), DatasetError)}
    missing = [case for case in cases if case not in groups]
    if missing:
        raise DatasetError(
            f"{file} has no row for {missing[0]!r} and {len(missing) - 1} more training cases. Add them, or remove the "
            "file if every case is a patient of its own."
        )
    return groups


def channel_files(folder: Path, case: str, ending: str) -> list[str]:
    """Return the files of a case's channels in a folder of images, in order; none if it has none."""
    return sorted(map(str, folder.glob(f"{glob.escape(case)}_????{ending}")))
