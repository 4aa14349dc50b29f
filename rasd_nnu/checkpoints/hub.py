"""Checkpoints from elsewhere: ``hf://`` and ``https://`` sources, downloaded once and kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType
from urllib.parse import urlsplit

from rasd_nnu.checkpoints.file import load_checkpoint
from rasd_nnu.checkpoints.model_card import model_card
from rasd_nnu.checkpoints.read import read_content
from rasd_nnu.downloads import ChecksumError, Limits, download
from rasd_nnu.errors import CheckpointError, DownloadError, SetupError
from rasd_nnu.files import expanded
from rasd_nnu.nnunet.env import checkpoints_folder

#: The largest public network's optimiser and weights take less.
LIMITS = Limits(max_bytes=20 * 10**9)
#: Name of the checkpoint in a repository, unless told otherwise.
HUB_FILE = "rasd.pth"
_SCHEMES = ("hf://", "https://", "http://")
_HF = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+?))?(/(?P<file>[\w./-]+\.pth))?")
_HF_FORM = "hf://owner/name[@revision][/file.pth][#sha256=...]"


@dataclass(frozen=True)
class RemoteSource:
    """A checkpoint elsewhere.

    Args:
        text: The source as it was named.
        sha256: Digest that the file must have, or None.
        url: Where it is, for ``https``.
        repo: Repository ``owner/name``, for ``hf``.
        revision: Branch, tag or commit; None for the newest.
        file: File in the repository; None for `HUB_FILE`.
    """

    text: str
    sha256: str | None = None
    url: str | None = None
    repo: str | None = None
    revision: str | None = None
    file: str | None = None


def is_remote(text: str) -> bool:
    """Tell whether ``text`` names a checkpoint elsewhere rather than a path."""
    return text.startswith(_SCHEMES)


def parse_remote(text: str) -> RemoteSource:
    """Take a source apart.

    Raises:
        CheckpointError: If it is not of the form of `RemoteSource`, or an address is not encrypted.
    """
    address, _, fragment = text.partition("#")
    sha256 = None
    if fragment:
        match = re.fullmatch(r"sha256=([0-9a-fA-F]{64})", fragment)
        if match is None:
            raise CheckpointError(f"{text} ends in #{fragment}, expected #sha256= and 64 hexadecimal digits.")
        sha256 = match.group(1).lower()
    if address.startswith("hf://"):
        match = re.fullmatch(_HF, address)
        if match is None or ".." in address:
            raise CheckpointError(f"{text} is not of the form {_HF_FORM}.")
        return RemoteSource(text, sha256, repo=match["repo"], revision=match["revision"], file=match["file"])
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise CheckpointError(f"{text} is no address ({error}), expected https://host/file.pth.") from None
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1"):
        raise CheckpointError(f"{text} is not encrypted, expected https://. Anybody on the way could change the file.")
    return RemoteSource(text, sha256, url=address)


def local_path(source: str | Path, cache: Path | None = None) -> Path:
    """Return a path to read: a path as it is, a file from elsewhere after its download.

    Args:
        source: A path, ``hf://owner/name[@revision][/file.pth]`` or ``https://...``; the latter two may end in
            ``#sha256=...``, which the file must then have.
        cache: Folder for https downloads; default ``downloads`` among the checkpoints. Files of the hub lie in its
            own cache. What is there is not downloaded again, and needs no network.

    Raises:
        CheckpointError: If the source is malformed, cannot be had, or has another checksum.
        SetupError: If huggingface_hub is needed and missing.
    """
    if isinstance(source, Path) or not is_remote(source):
        return expanded(source)
    remote = parse_remote(source)
    if remote.repo is None:
        return _from_web(remote, cache or checkpoints_folder() / "downloads")
    path = _from_hub(remote)
    if remote.sha256 is not None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != remote.sha256:
            raise _wrong_digest(remote, found)
    return path


def _wrong_digest(remote: RemoteSource, found: str) -> CheckpointError:
    return CheckpointError(
        f"{remote.text} has the SHA-256 {found}, expected the one that it was named with. Do not use it; ask its "
        "author, or give the right digest."
    )


def _from_web(remote: RemoteSource, cache: Path) -> Path:
    """Download a file once, into a cache that holds nothing but what can be read as a checkpoint."""
    assert remote.url is not None
    # Two addresses may end in the same name.
    tag = hashlib.sha256(remote.url.encode()).hexdigest()[:12]
    target = cache / f"{tag}-{PurePosixPath(urlsplit(remote.url).path).name or 'checkpoint.pth'}"
    checksum = None if remote.sha256 is None else f"sha256:{remote.sha256}"
    try:
        return download(remote.url, target, LIMITS, checksum=checksum, check=lambda path: _check(remote, path))
    except ChecksumError as error:
        raise _wrong_digest(remote, error.found.partition(":")[2]) from None
    except DownloadError as error:
        raise CheckpointError(
            f"cannot download {remote.url}: {error}. Check address and network, or copy the file here and give its "
            "path."
        ) from error


def _check(remote: RemoteSource, path: Path) -> None:
    """Raise `CheckpointError` unless a file that came in is a checkpoint."""
    try:
        read_content(path)
    except CheckpointError as error:
        reason = str(error).replace(str(path), "what came")
        raise CheckpointError(f"{remote.url} is no checkpoint, and was not kept: {reason}") from None


def _from_hub(remote: RemoteSource) -> Path:
    assert remote.repo is not None
    with _hub_errors(remote.text) as hub:
        return Path(hub.hf_hub_download(remote.repo, remote.file or HUB_FILE, revision=remote.revision))


def check_destination(text: str) -> str:
    """Return the repository that ``hf://owner/name`` names.

    Raises:
        CheckpointError: If it is not of that form.
        SetupError: If huggingface_hub is missing.
    """
    remote = parse_remote(text) if is_remote(text) else None
    if remote is None or remote.repo is None or remote.revision or remote.file or remote.sha256:
        raise CheckpointError(f"cannot publish to {text!r}, expected hf://owner/name.")
    _require_hub()
    return remote.repo


def push_checkpoint(checkpoint: Path, destination: str, *, private: bool = False) -> str:
    """Publish a checkpoint and a model card made from its metadata, in one commit.

    The resume file, the run report and the paths of this machine stay here.

    Args:
        checkpoint: One of ours.
        destination: ``hf://owner/name``; made if it does not exist.
        private: Make it readable for the owner only, if it does not exist yet.

    Returns:
        Address of the commit.

    Raises:
        CheckpointError: If the file is not ours or holds names of cases, or the hub refuses.
        SetupError: If huggingface_hub is missing.
    """
    repo = check_destination(destination)
    meta = load_checkpoint(checkpoint)["rasd"]
    if meta.get("seen"):
        raise CheckpointError(
            f"{checkpoint} learned from cases of {meta['seen']['dataset']} and holds their names and digests, expected "
            "weights that saw no images. Pre-train what you publish without --maps."
        )
    card = model_card(meta, repo)
    with _hub_errors(destination) as hub:
        api = hub.HfApi()
        api.create_repo(repo, exist_ok=True, private=private)
        commit = api.create_commit(
            repo,
            [
                hub.CommitOperationAdd(HUB_FILE, str(checkpoint)),
                hub.CommitOperationAdd("README.md", card.encode()),
            ],
            commit_message="Checkpoint of rasd_nnu pretrain",
        )
    return str(commit.commit_url)


def _require_hub() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError:
        raise SetupError("hf:// needs huggingface_hub. Fix it with: pip install 'rasd-nnu[hub]'") from None
    return huggingface_hub


@contextmanager
def _hub_errors(address: str) -> Iterator[ModuleType]:
    """Turn whatever the hub's library raises into one line; its classes come from one HTTP library or another."""
    hub = _require_hub()
    try:
        yield hub
    except Exception as error:
        raise CheckpointError(
            f"{address}: {type(error).__name__}: {_brief(error)} Check name, file and network; for a private one, "
            "log in with `hf auth login` or set HF_TOKEN."
        ) from error


def _brief(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:197] + "..."
