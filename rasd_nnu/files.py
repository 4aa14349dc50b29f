"""Writing files so that they are whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_file(path: Path, mode: str = "w+b") -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path``; at the end flush it to disk and rename it over ``path``.

    Missing folders are made. Whatever goes wrong inside, ``path`` stays as it was and nothing else is left.

    Args:
        path: The file to write.
        mode: ``w+b``, or ``w`` for text in UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, whole or not at all."""
    with atomic_file(path, "w") as file:
        file.write(text)
