"""Detection with MONAI's RetinaNet on the decoder levels of the network that nnU-Net planned."""

from __future__ import annotations

from importlib.util import find_spec

from rasd_nnu.errors import SetupError


def require_libraries() -> None:
    """Check that MONAI, and torchvision, which its detector needs in training, are installed.

    Raises:
        SetupError: If one is not.
    """
    if missing := [name for name in ("monai", "torchvision") if find_spec(name) is None]:
        raise SetupError(
            f"detection needs {' and '.join(missing)}, which this environment lacks. Install with: "
            "pip install 'rasd-nnu[detection]'"
        )
