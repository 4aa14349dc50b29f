"""Download the official release of a task, once, with a checksum where one is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rasd_nnu.dataset_specs.archive import unpack
from rasd_nnu.dataset_specs.locations import download_folder
from rasd_nnu.dataset_specs.schema import DatasetSpec, Download
from rasd_nnu.downloads import ChecksumError, Limits, download
from rasd_nnu.errors import DatasetError, DownloadError

#: The largest public release, whole slides, has 700 GB.
LIMITS = Limits(max_bytes=10**12)


def download_release(spec: DatasetSpec, cache: Path | None = None, retries: int = 2) -> Path:
    """Download and unpack a release; what is there from an earlier call is used again.

    Args:
        spec: The task.
        cache: Folder for archives and unpacked releases; default as `download_folder`.
        retries: Further attempts after a failed one.

    Returns:
        Folder that the archives were unpacked into.

    Raises:
        DatasetError: The release cannot be had without log-in, the network or the server fails, the
            checksum differs, or an archive is damaged or unsafe.
    """
    if spec.access != "open" or not spec.downloads:
        raise DatasetError(
            f"{spec.key} cannot be downloaded by a program (access: {spec.access}). Get it from "
            f"{spec.homepage}, unpack it and give the folder with --source DIR."
        )
    folder = (cache or download_folder()) / spec.key
    parts = [_part(part, folder, retries) for part in spec.downloads]
    with_release = [part for part in parts if (part / spec.layout.folder).is_dir()]
    if not with_release and len(parts) > 1:
        return folder  # the parts lie side by side; patterns of such specs begin with **/
    if not with_release:
        raise DatasetError(
            f"the download of {spec.key} holds no folder {spec.layout.folder} (looked in {folder}). The release "
            f"may have changed; see {spec.homepage} and give an unpacked folder with --source DIR."
        )
    return with_release[0] / spec.layout.folder


def _part(part: Download, folder: Path, retries: int) -> Path:
    """Return the unpacked content of one archive; it exists only when it is complete."""
    name = part.url.rsplit("/", 1)[1]
    unpacked = folder / f"{name}.unpacked"
    if not unpacked.is_dir():
        archive = _fetch(part, folder / name, retries)
        try:
            unpack(archive, unpacked)
        except DatasetError as error:
            # Without a checksum what came may be anything: the next call gets it again. A full disk is not its fault.
            if part.known_hash is None and not (isinstance(error.__cause__, OSError) and error.__cause__.errno):
                archive.unlink()
            raise
    return unpacked


def _fetch(part: Download, target: Path, retries: int) -> Path:
    limits = replace(LIMITS, attempts=retries + 1)
    try:
        return download(part.url, target, limits, checksum=part.known_hash, show=True)
    except ChecksumError as error:
        raise DatasetError(
            f"the checksum of {part.url} is not the known one ({part.known_hash}): the file was changed "
            "or damaged on the way. Try again, or give an unpacked folder with --source DIR."
        ) from error
    except DownloadError as error:
        raise DatasetError(
            f"cannot download {part.url}: {error}. Without network, get the file elsewhere, unpack "
            "it and give the folder with --source DIR."
        ) from error
