"""Errors that a user can fix: shown as one line, exit code 2, no traceback."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

#: What text to be shown must not hold: control characters (but tab and line ends), which can take over a terminal, and
#: halves of characters, which cannot be encoded.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


#: Most characters of a message; what is longer quotes a file.
_LONGEST = 4000


def printable(text: str) -> str:
    """Return ``text`` with control characters and half characters written as escapes, safe for a terminal."""
    return CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


class UserError(Exception):
    """Say in one line what is wrong, what was got, what is expected, and how to fix it.

    Every error that input from outside can cause derives from this class; the command line prints it
    without a traceback and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        text = printable(" ".join(message.split()))
        super().__init__(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


class SetupError(UserError):
    """The environment (variables, library versions) does not allow the request."""


class FileError(UserError):
    """The operating system refuses to read or write a file or folder."""


class LockError(UserError):
    """Another run is at work on the same output."""


class DownloadError(UserError):
    """A file cannot be downloaded, or is not what it should be."""


class PlansError(UserError):
    """A data set, plans file or configuration of nnU-Net is missing or unusable."""


class CheckpointError(UserError):
    """A checkpoint is missing, damaged, unsafe or made for something else."""


class TransferError(UserError):
    """Pre-trained weights do not fit the planned network."""


class ConfigError(UserError):
    """A configuration has a wrong key, unit, order or range."""


class DatasetError(UserError):
    """A source data set is incomplete or contradicts its spec."""


class CompareError(UserError):
    """The results of two arms cannot be paired."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest of ``known``, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def first_problem(error: ValidationError) -> str:
    """Turn pydantic's first complaint into ``a.b: what is wrong, got X``."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{where!r} is missing"
    if first["type"] == "value_error":
        return f"{where}: {message}" if where else message
    got = repr(first["input"])
    return f"{where}: {message}, got {got if len(got) <= 80 else got[:77] + '...'}"
