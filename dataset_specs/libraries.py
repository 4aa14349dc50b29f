"""Import the libraries of the extra ``data`` only where a format needs them."""

from __future__ import annotations

import importlib
from typing import Any

from rasd_nnu.errors import SetupError

INSTALL = "pip install 'rasd-nnu[data]'"


def require(module: str, purpose: str) -> Any:
    """Import a module of the extra ``data``.

    Args:
        module: Import name, for example ``pydicom``.
        purpose: What it is needed for, for the message.

    Raises:
        SetupError: It is not installed; the message gives the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SetupError(f"{purpose} needs {module}, which cannot be imported ({error}). Run: {INSTALL}") from error
