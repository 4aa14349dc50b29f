"""Names that come from files or from a person and become parts of paths: one rule for all of them."""

from __future__ import annotations

import re

from rasd_nnu.errors import PlansError, UserError

#: A file's name may have 255 bytes, and nnU-Net puts three of these names into one.
MAX_BYTES = 80

_PLAIN = re.compile(r"\w[\w .,+=@()-]*")
_FOLD = re.compile(r"all|[0-9]{1,4}")


def plain_name(name: object, what: str, error: type[UserError] = PlansError) -> str:
    """Return a name that leads nowhere else when it becomes part of a path.

    Args:
        name: Name of a data set, of plans, a configuration, a trainer or a file.
        what: What it names, for the error.
        error: Class of the error.

    Raises:
        UserError: Of class ``error``, if it is not text, is empty or too long, starts with other than a letter, a
            digit or an underscore, or has other characters than these and `` .,+=@()-``.

    Example:
        >>> plain_name("3d_fullres", "the configuration")
        '3d_fullres'
    """
    if not isinstance(name, str) or not _PLAIN.fullmatch(name) or len(name.encode()) > MAX_BYTES:
        shown = repr(name)
        shown = shown if len(shown) <= MAX_BYTES else f"{shown[:MAX_BYTES]}..."
        raise error(
            f"{what} is {shown}, expected a plain name: at most {MAX_BYTES} bytes of letters, digits and _ .,+=@()-, "
            "beginning with a letter or digit."
        )
    return name


def plain_fold(fold: object, error: type[UserError] = PlansError) -> str:
    """Return the name of a fold, ``all`` or a number.

    Raises:
        UserError: Of class ``error``, if it is something else.
    """
    text = str(fold) if isinstance(fold, int) else fold
    if not isinstance(text, str) or not _FOLD.fullmatch(text):
        raise error(f"the fold is {str(fold)[:40]!r}, expected a number or 'all'.")
    return text
