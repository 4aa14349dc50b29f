"""convexAdam on features of our own: coupled convex optimisation, then Adam (Siebert et al. 2024, arXiv:2112.05149)."""

from __future__ import annotations

import importlib.util
import warnings
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rasd_nnu.errors import ConfigError, DatasetError, SetupError

_MODULE = "convexAdam.convex_adam_MIND"
#: Cells along each axis that its smoothing needs.
_CELLS = 3


@dataclass(frozen=True)
class ConvexSettings:
    """Settings of convexAdam, under its own names.

    Args:
        lambda_weight: Weight of smoothness in the second step.
        grid_sp: Edge of a cell of the first step's grid, voxels.
        disp_hw: Cells that the first step searches in each direction.
        grid_sp_adam: Edge of a cell of the second step's grid, voxels.
        selected_niter: Iterations of the second step.
    """

    lambda_weight: float = 1.25
    grid_sp: int = 6
    disp_hw: int = 4
    grid_sp_adam: int = 2
    selected_niter: int = 80

    def __post_init__(self) -> None:
        for name in ("grid_sp", "disp_hw", "grid_sp_adam", "selected_niter"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected a whole number from 1.")
        if not 0 < self.lambda_weight < float("inf"):
            raise ConfigError(f"the weight of smoothness is {self.lambda_weight}, expected a number above 0.")


def convex_adam(
    fixed: Tensor, moving: Tensor, settings: ConvexSettings, device: str = "cpu"
) -> npt.NDArray[np.float64]:
    """Register features.

    Args:
        fixed: ``(F, Z, Y, X)``.
        moving: The same shape.
        settings: Settings.
        device: Where to compute.

    Returns:
        Voxels along Z, Y, X to go from each voxel of the fixed to the moving image, ``(Z, Y, X, 3)``.

    Raises:
        DatasetError: If the images are too small for the grid.
    """
    shape = fixed.shape[1:]
    least = _CELLS * max(settings.grid_sp, settings.grid_sp_adam)
    if min(shape) < least:
        raise DatasetError(
            f"the images have {' x '.join(map(str, shape))} voxels, expected at least {least} along each axis. Give a "
            "smaller --grid."
        )
    place = torch.device(device)
    pair = tuple(features[None].float().to(place) for features in (fixed, moving))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Default grid_sample", UserWarning)  # it leaves align_corners to torch
        displacement = _package_with(pair).convex_adam_pt(
            torch.zeros(shape), torch.zeros(shape), **asdict(settings), dtype=torch.float32, device=place
        )
    return np.asarray(displacement)


def mind_features(image: Tensor, device: str = "cpu") -> Tensor:
    """Return MIND-SSC, ``(12, Z, Y, X)``, of an image ``(Z, Y, X)`` with the package's radius and distance."""
    found = _package().MINDSSC(image[None, None].float().to(device), 1, 2, device=torch.device(device))
    assert isinstance(found, Tensor)
    return found[0].cpu()


def _package_with(pair: Any) -> ModuleType:
    """Return the package's module with features of ours in place of those that it would compute.

    Its optimiser takes images only; a copy of the module leaves the one that others import as it is.
    """
    module = _package()
    module.extract_features = lambda **_: pair  # type: ignore[attr-defined]
    return module


def _package() -> ModuleType:
    """Return a copy of convexAdam's module; importing it would else silence all warnings of the process.

    Raises:
        SetupError: If it is not installed.
    """
    spec = importlib.util.find_spec(_MODULE) if importlib.util.find_spec("convexAdam") else None
    if spec is None or spec.loader is None:
        raise SetupError("registration needs convexAdam. Fix it with: pip install 'rasd-nnu[registration]'")
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        spec.loader.exec_module(module)
    return module
