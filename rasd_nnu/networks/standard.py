"""Standard networks, not planned for any data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rasd_nnu.errors import ConfigError, did_you_mean
from rasd_nnu.networks.bodies import require_monai
from rasd_nnu.networks.describe import convolutional, primus, residual_unet_2d, swin_unetr
from rasd_nnu.nnunet.plans import NetworkTarget


@dataclass(frozen=True)
class Architecture:
    """A standard network.

    Args:
        describe: Patch in voxels -> nnU-Net's description.
        defaults: Number of dimensions -> edge of the patch and batch size, unless told otherwise. What is missing
            is not offered.
        monai: Whether it needs MONAI.
    """

    describe: Callable[[tuple[int, ...]], dict[str, Any]]
    defaults: dict[int, tuple[int, int]]
    monai: bool = False


_PAPER = {3: (128, 2), 2: (512, 16)}
_RESENC = partial(convolutional, residual=True)

#: The ResEnc networks differ as their planners do: by the patch and batch that fit into 8, 24 and 40 GB (here for
#: large images with isotropic voxels); the patch then decides the stages.
ARCHITECTURES = {
    "plain": Architecture(partial(convolutional, residual=False), _PAPER),
    "resenc-m": Architecture(_RESENC, {3: (128, 2), 2: (512, 12)}),
    "resenc-l": Architecture(_RESENC, {3: (192, 2), 2: (512, 35)}),
    "resenc-xl": Architecture(_RESENC, {3: (224, 2), 2: (512, 52)}),
    **{f"primus-{size}": Architecture(partial(primus, size=size), {3: (128, 2)}) for size in "sbml"},
    "swin-unetr": Architecture(swin_unetr, _PAPER, monai=True),
    "swin-unetr-v1": Architecture(partial(swin_unetr, version=1), _PAPER, monai=True),
    "unet2d": Architecture(residual_unet_2d, {2: (512, 16)}, monai=True),
}


def standard_target(
    dims: int, arch: str = "plain", *, channels: int = 1, patch_size: tuple[int, ...] | None = None
) -> NetworkTarget:
    """Return a standard network, not planned for any data set.

    Args:
        dims: 2 or 3.
        arch: One of `ARCHITECTURES`.
        channels: Input channels.
        patch_size: Patch in voxels; the architecture's default otherwise.

    Raises:
        ConfigError: If the architecture is unknown, is not there in this many dimensions, or does not take this patch.
        SetupError: If it needs MONAI and that is missing.
    """
    if arch not in ARCHITECTURES:
        raise ConfigError(
            f"unknown architecture {arch!r}, expected one of {', '.join(ARCHITECTURES)}."
            f"{did_you_mean(arch, ARCHITECTURES)}"
        )
    chosen = ARCHITECTURES[arch]
    if dims not in chosen.defaults:
        offered = [name for name, other in ARCHITECTURES.items() if dims in other.defaults]
        raise ConfigError(f"{arch} does not exist in {dims}D, expected one of {', '.join(offered)} with -d {dims}d.")
    if chosen.monai:
        require_monai(arch)
    edge, batch_size = chosen.defaults[dims]
    patch = tuple(patch_size or (edge,) * dims)
    if len(patch) != dims:
        raise ConfigError(f"patch {patch} has {len(patch)} axes, expected {dims}. Give one size an axis.")
    return NetworkTarget(
        architecture=chosen.describe(patch),
        input_channels=channels,
        patch_size=patch,
        spacing=(1.0,) * dims,
        batch_size=batch_size,
        normalization=("ZScoreNormalization",) * channels,
    )
