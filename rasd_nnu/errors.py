"""Errors that a user can fix: shown as one line, exit code 2, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Say in one line what is wrong, what was got, what is expected, and how to fix it.

    Every error that input from outside can cause derives from this class; the command line prints it
    without a traceback and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


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
