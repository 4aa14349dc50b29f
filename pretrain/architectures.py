"""Former home of the networks, which checkpoints and plans written before the move name."""

from __future__ import annotations

from typing import Any

from rasd_nnu.networks import bodies


def __getattr__(name: str) -> Any:
    """Return the network of this name."""
    return getattr(bodies, name)
