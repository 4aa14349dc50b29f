"""Environment variables, folders and caches."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
from pathlib import Path

from rasd_nnu.errors import SetupError
from rasd_nnu.files import expanded

MINIMUM_NNUNET = (2, 8)

#: nnU-Net's variables with its folders, in the order in which data pass through them.
NNUNET_FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")

#: nnU-Net's variable with the folders in which it looks for trainers outside of its package.
EXTERNAL_TRAINERS = "nnUNet_extTrainer"


def nnunet_folder(variable: str) -> Path:
    """Return the folder that ``nnUNet_raw``, ``nnUNet_preprocessed`` or ``nnUNet_results`` names; it may not exist yet.

    Raises:
        SetupError: If the environment variable is not set, or names a file.
    """
    value = os.environ.get(variable)
    if not value:
        raise SetupError(
            f"the environment variable {variable} is not set; nnU-Net needs it. "
            f"Fix it with: export {variable}=/path/to/{variable}"
        )
    folder = expanded(value)
    try:
        is_other = folder.exists() and not folder.is_dir()
    except OSError as error:
        raise SetupError(f"{variable} is {value}: {error.strerror}. Set it to a folder.") from None
    if is_other:
        raise SetupError(f"{variable} is {value}, which is not a folder. Set it to one.")
    return folder


def require_folders() -> None:
    """Check that nnU-Net's three folders exist, before hours are spent on what is to be written there.

    Raises:
        SetupError: If a variable is not set, or names nothing or a file.
    """
    for variable in NNUNET_FOLDERS:
        folder = nnunet_folder(variable)
        if not folder.is_dir():
            raise SetupError(f"{variable} is {folder}, which does not exist. Make it with: mkdir -p {folder}")


def nnunet_folder_if_set(variable: str) -> Path | None:
    """Return the folder that one of nnU-Net's variables names, or None where it is not set."""
    return nnunet_folder(variable) if os.environ.get(variable) else None


def cache_folder() -> Path:
    """Return ``RASD_CACHE``, or ``~/.cache/rasd_nnu``."""
    return expanded(os.environ.get("RASD_CACHE") or "~/.cache/rasd_nnu")


def checkpoints_folder() -> Path:
    """Return ``RASD_CHECKPOINTS``, or ``~/.cache/rasd_nnu/checkpoints``."""
    return expanded(os.environ.get("RASD_CHECKPOINTS") or "~/.cache/rasd_nnu/checkpoints")


def network_packages() -> tuple[str, ...]:
    """Return the packages of networks of a person's own that ``RASD_NETWORKS`` allows, as ``my_lab.networks:other``."""
    return tuple(name for name in os.environ.get("RASD_NETWORKS", "").split(os.pathsep) if name)


def require_nnunet() -> str:
    """Return the version of the installed nnunetv2.

    Raises:
        SetupError: If it is missing or older than 2.8, which cannot find external trainers.
    """
    try:
        version = importlib.metadata.version("nnunetv2")
    except importlib.metadata.PackageNotFoundError:
        raise SetupError("nnunetv2 is not installed. Fix it with: pip install 'nnunetv2>=2.8'") from None
    numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:2])
    if numbers < MINIMUM_NNUNET:
        raise SetupError(
            f"nnunetv2 {version} is installed, but trainers outside of its package need at least 2.8. "
            "Fix it with: pip install --upgrade 'nnunetv2>=2.8'"
        )
    return version


def trainers_folder() -> Path:
    """Return the folder that belongs into ``nnUNet_extTrainer``."""
    spec = importlib.util.find_spec("rasd_nnu.trainers")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "nnunet_ext"


def extended_path(existing: str, folder: Path) -> str:
    """Return the value of ``nnUNet_extTrainer`` with ``folder`` first, other entries kept, none twice.

    Ours comes first because nnU-Net stops at an earlier entry that fails to import.
    """
    entries = [str(folder), *(entry for entry in existing.split(os.pathsep) if entry.strip())]
    return os.pathsep.join(dict.fromkeys(entries))
