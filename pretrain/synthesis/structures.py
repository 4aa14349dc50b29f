"""Structures that blob fields never make: a body with air around it, thin tubes, small round inclusions."""

from __future__ import annotations

import numpy as np
import torch

from rasd_nnu.pretrain.synthesis.draw import InclusionParameters, SampleParameters
from rasd_nnu.pretrain.synthesis.lattice import Lattice, along_axes, linear_matrix


def add_structures(label: torch.Tensor, parameters: SampleParameters) -> None:
    """Write a sample's extra structures into its label map, in place.

    Tubes are the last class, inclusions the last but one (or the last without tubes), and outside of the body is
    class 0; each class that is so used is taken from the blobs first, so that it means one thing in a sample.

    Args:
        label: ``(*S)`` uint8.
        parameters: The sample.
    """
    last = parameters.classes - 1
    if parameters.inclusions is not None:
        own = last - (parameters.tubes is not None)
        label.masked_fill_(label == own, own - 1)
    if parameters.tubes is not None:
        label.masked_fill_(label == last, 0)
    if parameters.inclusions is not None:
        _paint_balls(label, parameters, parameters.inclusions, last - (parameters.tubes is not None))
    if parameters.tubes is not None:
        label.masked_fill_(_tubes(parameters, label.device), last)
    if parameters.body is not None:
        label.masked_fill_(label == 0, 1)
        label.masked_fill_(~_body(parameters, label.device), 0)


def _upsample(field: torch.Tensor, cells: int, parameters: SampleParameters, device: torch.device) -> torch.Tensor:
    """Upsample lattice values ``(*, *G)`` to ``(*, *S)``."""
    config = parameters.config
    lattice = Lattice.over(config.shape, config.spacing, cells)
    matrices = [
        linear_matrix(n, g, s).to(device) for n, g, s in zip(config.shape, lattice.nodes, lattice.step, strict=True)
    ]
    return along_axes(field.to(device), matrices)


def _tubes(parameters: SampleParameters, device: torch.device) -> torch.Tensor:
    """Return where the distance to the common zeros of the fields is below the radius.

    The distance to the zeros of a field f is |f| / |grad f| to first order, which keeps the tubes' radius even;
    in 3D the zeros of two fields meet in curves.
    """
    assert parameters.tubes is not None
    config = parameters.config
    fields = _upsample(parameters.tubes.fields, config.priors.tubes.cells, parameters, device)
    axes = tuple(range(1, config.dims + 1))
    gradients = torch.gradient(fields, spacing=list(config.spacing), dim=axes)
    squared = sum((g**2 for g in gradients), torch.zeros_like(fields))
    return (fields**2 / squared.clamp(min=1e-12)).sum(0) < parameters.tubes.radius**2


def _body(parameters: SampleParameters, device: torch.device) -> torch.Tensor:
    """Return the inside of an ellipsoid whose radius varies with a smooth field."""
    assert parameters.body is not None
    shape = parameters.config.shape
    distance: torch.Tensor | None = None
    for axis, n in enumerate(shape):
        line = (torch.arange(n, device=device) + 0.5) / n - parameters.body.centre[axis]
        own = (line / parameters.body.radius[axis]).square().reshape(-1, *[1] * (len(shape) - axis - 1))
        distance = own if distance is None else distance + own
    assert distance is not None
    return distance < (1 + _upsample(parameters.body.surface, 4, parameters, device)).clamp(min=0.1) ** 2


def _paint_balls(
    label: torch.Tensor, parameters: SampleParameters, inclusions: InclusionParameters, value: int
) -> None:
    shape, spacing = parameters.config.shape, np.asarray(parameters.config.spacing)
    for centre, radius in zip(inclusions.centres * np.asarray(shape), inclusions.radii, strict=True):
        low = np.maximum(np.floor(centre - radius / spacing), 0).astype(int)
        high = np.minimum(np.ceil(centre + radius / spacing) + 1, shape).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij")
        distance = sum(((x + 0.5 - c) * s) ** 2 for x, c, s in zip(axes, centre, spacing, strict=True))
        ball = torch.from_numpy(np.asarray(distance) <= radius**2)
        label[box].masked_fill_(ball.to(label.device), value)
