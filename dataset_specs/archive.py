"""Unpack tar and zip archives without trusting them."""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from rasd_nnu.errors import DatasetError

# Name, whether it is a folder, and how to open it. Files are copied out one by one: neither links, devices,
# owners nor modes of an archive ever reach the disk, on any version of Python.
Member = tuple[str, bool, Callable[[], IO[bytes]]]


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar (plain, gz, bz2, xz) or zip archive into a new folder, completely or not at all.

    Args:
        archive: File.
        folder: Is made by this call; an existing one is left alone and is an error.

    Raises:
        DatasetError: The archive is damaged, of another kind, or holds a link, a device or a path that
            leads out of the folder.
    """
    temporary = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        temporary.mkdir(parents=True)
        for name, is_folder, open_member in _members(archive):
            _write(temporary / _safe_path(archive, name), is_folder, open_member)
        temporary.rename(folder)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise DatasetError(
            f"cannot unpack {archive}: {error}. The file may be incomplete; remove it and try again."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _members(archive: Path) -> Iterator[Member]:
    if zipfile.is_zipfile(archive):
        yield from _zip_members(archive)
    else:
        yield from _tar_members(archive)


def _tar_members(archive: Path) -> Iterator[Member]:
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isdir() and not member.isreg():
                raise _refusal(archive, member.name, "is a link or a device")
            yield member.name, member.isdir(), partial(_open_tar_member, tar, member)


def _open_tar_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(member)
    if stream is None:
        raise tarfile.ReadError(f"{member.name!r} has no content")
    return stream


def _zip_members(archive: Path) -> Iterator[Member]:
    with zipfile.ZipFile(archive) as pack:
        for info in pack.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refusal(archive, info.filename, "is a link or a device")
            yield info.filename, info.is_dir(), partial(pack.open, info)


def _safe_path(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise _refusal(archive, name, "leads out of the target folder")
    return path


def _refusal(archive: Path, name: str, why: str) -> DatasetError:
    return DatasetError(f"{archive.name} is refused: its member {name!r} {why}. Get it from the official site.")


def _write(target: Path, is_folder: bool, open_member: Callable[[], IO[bytes]]) -> None:
    if is_folder:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_member() as stream, target.open("wb") as out:
        shutil.copyfileobj(stream, out, length=1 << 20)
