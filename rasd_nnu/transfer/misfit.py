"""The signal that a tensor cannot be carried."""

from __future__ import annotations


class MisfitError(Exception):
    """No rule leads from the one shape to the other; the message is the reason that the report gives."""
