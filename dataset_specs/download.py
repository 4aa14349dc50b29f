"""Download the official release of a task, once, with a checksum where one is known."""

from __future__ import annotations

from pathlib import Path

import pooch

from rasd_nnu.dataset_specs.archive import unpack
from rasd_nnu.dataset_specs.locations import download_folder
from rasd_nnu.dataset_specs.schema import DatasetSpec, Download
from rasd_nnu.errors import DatasetError

TIMEOUT_S = 30


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
    parts = [_part(download, folder, retries) for download in spec.downloads]
    with_release = [part for part in parts if (part / spec.layout.folder).is_dir()]
    if not with_release and len(parts) > 1:
        return folder  # the parts lie side by side; patterns of such specs begin with **/
    if not with_release:
        raise DatasetError(
            f"the download of {spec.key} holds no folder {spec.layout.folder} (looked in {folder}). The release "
            f"may have changed; see {spec.homepage} and give an unpacked folder with --source DIR."
        )
    return with_release[0] / spec.layout.folder


def _part(download: Download, folder: Path, retries: int) -> Path:
    """Return the unpacked content of one archive; it exists only when it is complete."""
    name = download.url.rsplit("/", 1)[1]
    unpacked = folder / f"{name}.unpacked"
    if not unpacked.is_dir():
        unpack(_fetch(download, name, folder, retries), unpacked)
    return unpacked


def _fetch(download: Download, name: str, folder: Path, retries: int) -> Path:
    server = pooch.create(
        path=folder,
        base_url="",
        registry={name: download.known_hash},
        urls={name: download.url},
        retry_if_failed=retries,
    )
    try:
        return Path(server.fetch(name, downloader=pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT_S)))
    except ValueError as error:  # pooch: the checksum differs
        raise DatasetError(
            f"the checksum of {download.url} is not the known one ({download.known_hash}): the file was changed "
            "or damaged on the way. Try again, or give an unpacked folder with --source DIR."
        ) from error
    except OSError as error:  # every error of requests is one
        raise DatasetError(
            f"cannot download {download.url}: {_reason(error)}. Without network, get the file elsewhere, unpack "
            "it and give the folder with --source DIR."
        ) from error


def _reason(error: OSError) -> str:
    """Return the cause in few words: urllib3 puts it inside an error about the number of its attempts."""
    cause = getattr(error.args[0], "reason", error) if error.args else error
    text = str(cause)
    return text if len(text) <= 160 else text[:157] + "..."
