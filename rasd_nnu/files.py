"""Files and folders: writing that is whole or not there, paths as people write them, errors in one line."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rasd_nnu.errors import FileError, SetupError

# Ending of files that are being written. `remove_unfinished` deletes by it, so nobody else should use it.
_UNFINISHED = ".rasd_tmp"
_SPACE = "Free space, or choose another place."
_RIGHTS = "Change the permissions, or choose another place."
_IN_THE_WAY = "A folder is needed there: move the file away, or choose another place."
_ADVICE = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: "Choose another place.",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.EISDIR: "Give the name of a file.",
    errno.ENAMETOOLONG: "Give a shorter name.",
}


def explained(error: OSError) -> FileError:
    """Return what the operating system refused as one line: which file, why, and how to fix it."""
    name = error.filename2 or error.filename
    where = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else "a file or the output"
    reason = error.strerror or str(error) or type(error).__name__
    return FileError(f"cannot use {where}: {reason}. {_ADVICE.get(error.errno or 0, 'Check the path.')}")


def expanded(path: str | Path) -> Path:
    """Return a path that a person wrote, with ``~`` replaced by the home folder.

    Raises:
        SetupError: If the home folder that is meant cannot be told.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise SetupError(
            f"{path}: there is no such home folder. Set HOME, or write the path without '~' (the default folders are "
            "replaced by RASD_CACHE and RASD_CHECKPOINTS)."
        ) from None


@contextmanager
def atomic_file(path: Path, mode: str = "w+b") -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path``; at the end flush it to disk and rename it over ``path``.

    Missing folders are made. Whatever goes wrong inside, ``path`` stays as it was and nothing else is left. The
    temporary file's path is the ``name`` of what is opened.

    Args:
        path: The file to write.
        mode: ``w+b``, or ``w`` for text in UTF-8.

    Raises:
        OSError: If it cannot be written; its ``filename`` is ``path``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_UNFINISHED, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            with temporary.open(mode, encoding=None if "b" in mode else "utf-8") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        # A write that fails does not say which file it was; other errors name the temporary one.
        if error.filename is None or _UNFINISHED in str(error.filename):
            error.filename, error.filename2 = str(path), None
        raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, whole or not at all."""
    with atomic_file(path, "w") as file:
        file.write(text)


def remove_unfinished(folder: Path, name: str) -> None:
    """Remove the temporary files that `atomic_file` left in a process that was killed; hold the folder's lock.

    Args:
        folder: Where they are.
        name: Regular expression of the names of the files that were to be written.
    """
    unfinished = re.compile(rf"\.(?:{name})\.[a-z0-9_]{{8}}{re.escape(_UNFINISHED)}")
    for path in folder.iterdir():
        if unfinished.fullmatch(path.name):
            path.unlink(missing_ok=True)
