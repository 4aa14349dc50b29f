"""One process at a time: a lock on what a run writes, which the system lifts when the process ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rasd_nnu.errors import LockError

#: Name of the lock of a folder, in it.
FOLDER_LOCK = ".rasd_nnu.lock"
_POLL_S = 0.05
_TAKEN = (errno.EACCES, errno.EAGAIN)
_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

# The locks of this process: the system keeps them apart by process, and two runs in one process need to be, too.
_held: set[Path] = set()
# Around looking at `_held` and changing it with the lock: two threads would both be given the lock, and closing
# any open file of a lock lifts it for the whole process.
_guard = threading.Lock()


@contextmanager
def exclusive(path: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Be the only process that works on ``path`` until the block ends.

    A record lock (POSIX ``fcntl``) on a small file: other nodes that share the file system see it, child processes do
    not inherit it, and a killed process leaves none behind.

    Args:
        path: A folder that exists (the lock is `FOLDER_LOCK` in it), or a file, there or to be written (the lock is
            ``.<name>.lock`` beside it; missing folders are made).
        wait_s: Seconds to wait for another process to end.

    Raises:
        LockError: If another run holds the lock.
        OSError: If the folder cannot be written.
    """
    lock = path / FOLDER_LOCK if path.is_dir() else path.with_name(f".{path.name}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock = lock.parent.resolve() / lock.name
    handle = _acquired(lock, path, time.monotonic() + wait_s)
    try:
        yield
    finally:
        with _guard:
            lock.unlink(missing_ok=True)  # before the lock is lifted: who waits sees that the file is gone
            os.close(handle)
            _held.discard(lock)


def _acquired(lock: Path, path: Path, deadline: float) -> int:
    """Return the open file of the lock, once it is this process's."""
    while True:
        with _guard:
            if lock not in _held and (handle := _try(lock)) is not None:
                _held.add(lock)
                return handle
        if time.monotonic() >= deadline:
            raise LockError(
                f"{path} is in use by another run ({_holder(lock)}). Wait for it to end, or write to another place."
            )
        time.sleep(_POLL_S)


def _try(lock: Path) -> int | None:
    """Return the open file of the lock, or None if another process has it."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            os.close(handle)
            return None
        if error.errno not in _UNSUPPORTED:
            os.close(handle)
            raise
        warnings.warn(f"{lock.parent} has no locks: start no second run on the same output.", stacklevel=4)
    if not _is_still(lock, handle):
        os.close(handle)
        return None
    with suppress(OSError):  # for the message of others only: a full disk does not matter
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
    return handle


def _is_still(lock: Path, handle: int) -> bool:
    """Tell whether an open file is the one of this name: the holder before may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(handle), lock.stat())
    except FileNotFoundError:
        return False


def _holder(lock: Path) -> str:
    if lock in _held:
        return "in this process"
    try:
        return lock.read_text(encoding="utf-8", errors="replace").strip() or "unknown process"
    except OSError:
        return "unknown process"
