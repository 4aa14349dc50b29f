"""Folders that the environment names: the only place of this package that reads it."""

from __future__ import annotations

import os
from pathlib import Path

from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.errors import SetupError
from rasd_nnu.files import expanded


def raw_folder() -> Path:
    """Return the folder that ``nnUNet_raw`` names.

    Raises:
        SetupError: The variable is unset.
    """
    value = os.environ.get("nnUNet_raw")  # noqa: SIM112 - nnU-Net's own spelling
    if not value:
        raise SetupError(
            "nnUNet_raw is unset; it names the folder that holds nnU-Net's data sets. Set it, for instance "
            "export nnUNet_raw=$HOME/nnUNet_raw (likewise nnUNet_preprocessed and nnUNet_results)."
        )
    return expanded(value)


def download_folder() -> Path:
    """Return ``$RASD_CACHE/downloads``, by default ``~/.cache/rasd_nnu/downloads``."""
    cache = os.environ.get("RASD_CACHE") or "~/.cache/rasd_nnu"
    return expanded(cache) / "downloads"


def own_specs_folder() -> Path | None:
    """Return the folder that ``RASD_SPECS`` names, with the user's own specs, or None where it is unset.

    Raises:
        SetupError: It is set but is not a folder.
    """
    value = os.environ.get("RASD_SPECS")
    if not value:
        return None
    folder = expanded(value)
    if not folder.is_dir():
        raise SetupError(f"RASD_SPECS={value} is not a folder; set it to one that holds specs, or unset it.")
    return folder


def core_count() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_source(spec: DatasetSpec) -> Path | None:
    """Return the unpacked official release under ``RASD_DATA``, or None where it is not there.

    Raises:
        SetupError: ``RASD_DATA`` is set but is not a folder.
    """
    value = os.environ.get("RASD_DATA")
    if not value:
        return None
    root = expanded(value)
    if not root.is_dir():
        raise SetupError(f"RASD_DATA={value} is not a folder; set it to one that holds data sets, or unset it.")
    folder = root / spec.layout.folder
    return folder if folder.is_dir() else None
