"""Networks that need a constructor of their own to be built from nnU-Net's description, loaded when asked for."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from rasd_nnu.errors import SetupError

if TYPE_CHECKING:
    from rasd_nnu.networks.bodies.residual_unet import ResidualUnet2d
    from rasd_nnu.networks.bodies.swin_unetr import SwinUNETR

__all__ = ["ResidualUnet2d", "SwinUNETR"]

_FILES = {"ResidualUnet2d": "residual_unet", "SwinUNETR": "swin_unetr"}


def __getattr__(name: str) -> Any:
    """Import a network when it is asked for: MONAI is an extra.

    Raises:
        SetupError: If MONAI is missing.
    """
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_monai(name)
    return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)


def require_monai(network: str) -> None:
    """Raise `SetupError` unless MONAI is installed, which ``network`` comes from."""
    if importlib.util.find_spec("monai") is None:
        raise SetupError(f"{network} needs MONAI, which is not installed. Fix it with: pip install 'rasd-nnu[monai]'")
