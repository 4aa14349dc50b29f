"""What all readers share: errors that name the file, and a look at the size before memory is taken."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rasd_nnu.errors import DatasetError

# Largest picture that is read, unpacked, in bytes: about 4000 slices of 1024x1024 in 16 bit.
MAX_BYTES = 8 * 2**30
# Deflate cannot shrink data by more than this factor (https://zlib.net/zlib_tech.html).
DEFLATE_FACTOR = 1032

FIX = "The file is damaged or incomplete: get it again from the official site."


@contextmanager
def reading(path: Path, *errors: type[Exception], fix: str = FIX) -> Iterator[None]:
    """Turn what a library raises over a bad file into one line that names the file.

    Args:
        path: The file.
        errors: Exceptions of the library, besides the usual ones of a damaged file.
        fix: How to fix it.

    Raises:
        DatasetError: One of these was raised inside.
    """
    if not path.exists():
        raise DatasetError(f"{path} is missing; check the source folder, or unpack the release again.")
    damaged: tuple[type[Exception], ...] = (OSError, EOFError, ValueError, zlib.error, *errors)
    try:
        yield
    except DatasetError:
        raise
    except damaged as error:
        raise DatasetError(f"cannot read {path}: {str(error) or type(error).__name__}. {fix}") from error


def check_claim(
    path: Path,
    shape: Sequence[int],
    item_bytes: int,
    stored_bytes: int | None = None,
    packed: bool = False,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Compare the size that a header claims with what the file can hold, before memory is taken.

    Args:
        path: The file.
        shape: Number of values along each axis.
        item_bytes: Bytes a value.
        stored_bytes: Bytes that hold the voxels on the disk; None where this says nothing.
        packed: Whether these are packed with deflate.
        max_bytes: Largest picture that is read.

    Raises:
        DatasetError: An axis is empty, the file is too short, or the picture is larger than `max_bytes`.
    """
    claimed = math.prod(int(n) for n in shape) * item_bytes
    size = "x".join(str(int(n)) for n in shape)
    if min(shape, default=0) < 1:
        raise DatasetError(f"{path}: the header claims the size {size}; expected at least one value an axis. {FIX}")
    if stored_bytes is not None and claimed > stored_bytes * (DEFLATE_FACTOR if packed else 1):
        raise DatasetError(
            f"{path}: the header claims {size} values, {human(claimed)}, but the file holds {human(stored_bytes)}"
            f"{' packed' if packed else ''}, which cannot be all of it. {FIX}"
        )
    if claimed > max_bytes:
        raise DatasetError(
            f"{path}: the header claims {size} values, {human(claimed)}; at most {human(max_bytes)} are read. "
            "Raise max_bytes if the file is what it claims to be, else take it out."
        )


def is_gzip(path: Path) -> bool:
    """Whether a file starts as gzip does, whatever its name."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def human(count: int) -> str:
    """Write a number of bytes with a unit.

    Example:
        >>> human(1536)
        '1.5 kB'
    """
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TB"
