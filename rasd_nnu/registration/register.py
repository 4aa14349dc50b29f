"""Register two volumes on features of both."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813
import torch
from torch import Tensor

from rasd_nnu.errors import DatasetError
from rasd_nnu.features.images import case_of
from rasd_nnu.features.network import FeatureNetwork
from rasd_nnu.registration.convex import ConvexSettings, convex_adam, mind_features
from rasd_nnu.registration.grid import common_grid, displacement_transform, resampled, start_transform

#: Turns an image on the common grid into features ``(F, Z, Y, X)``.
Features = Callable[[sitk.Image], Tensor]


@dataclass(frozen=True)
class Registration:
    """The result.

    Args:
        transform: Map from fixed to moving space.
        field: The same as displacements in mm on the grid of the fixed image.
        seconds: Time of features and optimisation.
    """

    transform: sitk.Transform
    field: sitk.Image
    seconds: float

    def warp(self, moving: sitk.Image, fixed: sitk.Image) -> sitk.Image:
        """Return the moving image on the grid of the fixed one."""
        return resampled(moving, fixed, self.transform)

    def warp_labels(self, labels: sitk.Image, fixed: sitk.Image) -> sitk.Image:
        """Return labels of the moving image on the grid of the fixed one; 0 where it does not reach."""
        return resampled(labels, fixed, self.transform, nearest=True)

    def folded(self) -> float:
        """Return the share of voxels where space is folded: the Jacobian determinant is 0 or below."""
        determinant = sitk.GetArrayViewFromImage(sitk.DisplacementFieldJacobianDeterminant(self.field))
        return float((determinant <= 0).mean())


def register(
    fixed: sitk.Image,
    moving: sitk.Image,
    features: Features,
    settings: ConvexSettings = ConvexSettings(),  # noqa: B008  (frozen)
    *,
    align: str = "header",
    spacing: Sequence[float] | None = None,
    device: str = "cpu",
) -> Registration:
    """Register a moving to a fixed volume.

    Args:
        fixed: Fixed image.
        moving: Moving image.
        features: What is compared.
        settings: Settings of convexAdam.
        align: Where it starts: ``header`` or ``centre``.
        spacing: Grid of the work along X, Y, Z in mm; that of the fixed image if None.
        device: Where to optimise.

    Raises:
        DatasetError: If an image is no volume of one value a voxel, or both are too small or too large.
    """
    for image, what in ((fixed, "fixed"), (moving, "moving")):
        if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
            raise DatasetError(
                f"the {what} image has {image.GetDimension()} axes and {image.GetNumberOfComponentsPerPixel()} values "
                "a voxel, expected a volume of one value. Registration is of such volumes."
            )
    began = time.perf_counter()
    start = start_transform(fixed, moving, align)
    grid = common_grid(fixed, moving, start, spacing)
    pair = features(resampled(fixed, grid, sitk.Transform())), features(resampled(moving, grid, start))
    displacement = convex_adam(*pair, settings, device)
    transform = displacement_transform(displacement, grid, start)
    field = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat64, fixed.GetSize(), fixed.GetOrigin(), fixed.GetSpacing(), fixed.GetDirection()
    )
    return Registration(transform, field, time.perf_counter() - began)


def network_features(network: FeatureNetwork) -> Features:
    """Compare the features of a network, as vectors of length 1, as its objective does."""

    def of(image: sitk.Image) -> Tensor:
        dense = torch.from_numpy(network.in_own_space(case_of([image], "registration")))
        return torch.nn.functional.normalize(dense, dim=0) * len(dense) ** 0.5

    return of


def intensities(image: sitk.Image) -> Tensor:
    """Compare intensities of mean 0 and standard deviation 1: their squared difference is a correlation (NCC)."""
    values = torch.from_numpy(sitk.GetArrayFromImage(image).astype(np.float32))
    return ((values - values.mean()) / values.std().clamp(min=1e-8))[None]


def mind(image: sitk.Image) -> Tensor:
    """Compare MIND-SSC, the package's own features."""
    return mind_features(torch.from_numpy(sitk.GetArrayFromImage(image).astype(np.float32)))
