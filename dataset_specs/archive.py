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
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from rasd_nnu.errors import DatasetError

# Name, whether it is a folder, and how to open it. Files are copied out one by one: neither links, devices,
# owners nor modes of an archive ever reach the disk, on any version of Python.
Member = tuple[str, bool, Callable[[], IO[bytes]]]

DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError)
CHUNK = 1 << 20
RAR_START = b"Rar!\x1a\x07"


@dataclass(frozen=True)
class UnpackLimits:
    """How much an archive may unpack to; counted on what is written, not on what the archive claims.

    Args:
        max_bytes: All files together. The default is above the largest release of the specs.
        max_members: Number of files and folders.
        max_ratio: Unpacked size over the size of the archive; looked at above `ratio_from_bytes` only, because
            masks that are almost empty shrink by more than hundred.
        ratio_from_bytes: Unpacked size up to which every ratio is harmless.
    """

    max_bytes: int = 2 * 2**40
    max_members: int = 5_000_000
    max_ratio: float = 300
    ratio_from_bytes: int = 4 * 2**30


DEFAULT_LIMITS = UnpackLimits()


def unpack(archive: Path, folder: Path, limits: UnpackLimits = DEFAULT_LIMITS) -> None:
    """Unpack a tar (plain, gz, bz2, xz) or zip archive into a new folder, completely or not at all.

    Args:
        archive: File.
        folder: Is made by this call; an existing one is left alone and is an error.
        limits: What is refused as a bomb.

    Raises:
        DatasetError: The archive is damaged, encrypted, of another kind, holds a link, a device or a path that
            leads out of the folder, exceeds a limit, or does not fit on the disk.
    """
    temporary = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        _refuse_rar(archive)
        temporary.mkdir(parents=True)
        meter = _Meter(archive, limits)
        for name, is_folder, open_member in _members(archive):
            meter.count_member()
            _write(temporary / _safe_path(archive, name), is_folder, open_member, meter)
        temporary.rename(folder)
    except DAMAGED as error:
        raise DatasetError(
            f"cannot unpack {archive}: {error}. The file may be incomplete; remove it and try again."
        ) from error
    except RuntimeError as error:  # what zipfile raises for encryption and rare compressions
        raise DatasetError(
            f"cannot unpack {archive}: {error}. Unpack it with 7-Zip and give the folder with --source."
        ) from error
    except OSError as error:
        raise DatasetError(f"cannot unpack {archive}: {error}. Check the file, and the space on the disk.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class _Meter:
    """Counts what an archive gives, and refuses it at the limits."""

    def __init__(self, archive: Path, limits: UnpackLimits) -> None:
        self.archive = archive
        self.limits = limits
        self.packed = max(1, archive.stat().st_size)
        self.members = 0
        self.written = 0

    def count_member(self) -> None:
        self.members += 1
        if self.members > self.limits.max_members:
            raise self._bomb(f"holds more than {self.limits.max_members} members", "max_members")

    def count_bytes(self, count: int) -> None:
        self.written += count
        if self.written > self.limits.max_bytes:
            raise self._bomb(f"unpacks to more than {self.limits.max_bytes} bytes", "max_bytes")
        if self.written > max(self.limits.ratio_from_bytes, self.limits.max_ratio * self.packed):
            raise self._bomb(
                f"unpacks to more than {self.limits.max_ratio:g} times its {self.packed} bytes", "max_ratio"
            )

    def _bomb(self, why: str, limit: str) -> DatasetError:
        return DatasetError(
            f"{self.archive.name} is refused: it {why}. Get it from the official site; if it is what it should be, "
            f"unpack it yourself and give the folder with --source (limit {limit})."
        )


def _refuse_rar(archive: Path) -> None:
    with archive.open("rb") as stream:
        if stream.read(len(RAR_START)) == RAR_START:
            raise DatasetError(
                f"{archive} is a RAR archive, which Python cannot unpack. Unpack it with unrar or 7-Zip and give the "
                "folder with --source."
            )


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


def _write(target: Path, is_folder: bool, open_member: Callable[[], IO[bytes]], meter: _Meter) -> None:
    if is_folder:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_member() as stream, target.open("wb") as out:
        while chunk := stream.read(CHUNK):
            meter.count_bytes(len(chunk))
            out.write(chunk)
