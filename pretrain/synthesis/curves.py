"""Random smooth curves of intensities."""

from __future__ import annotations

import torch
from torch import Tensor

#: Points at which a curve is stored; between them it is linear.
_POINTS = 256
_FEWEST_NODES, _MOST_NODES = 3, 7


def random_curves(count: int, rising: float, inverted: float, generator: torch.Generator) -> Tensor:
    """Draw smooth curves from 0..1 to 0..1 through random nodes.

    Args:
        count: Number of curves.
        rising: Chance that a curve never falls.
        inverted: Chance that such a one is turned around.
        generator: Source of randomness, on the CPU.

    Returns:
        ``(count, points)``, the curves' values at equal distances.
    """
    nodes = torch.randint(_FEWEST_NODES, _MOST_NODES + 1, (), generator=generator)
    values = torch.rand((count, int(nodes)), generator=generator)
    # Steps of an exponential law, summed: uniformly distributed ordered nodes from 0 to 1.
    steps = -torch.rand((count, int(nodes) - 1), generator=generator).clamp(min=1e-6).log()
    ordered = torch.cat([torch.zeros(count, 1), steps.cumsum(1)], 1)
    ordered = ordered / ordered[:, -1:]
    chance = torch.rand((2, count, 1), generator=generator)
    ordered = torch.where(chance[1] < inverted, 1 - ordered, ordered)
    return _smooth(torch.where(chance[0] < rising, ordered, values))


def _smooth(nodes: Tensor) -> Tensor:
    """Interpolate ``(count, n)`` nodes by half waves of a cosine: smooth, and never beyond the nodes."""
    position = torch.linspace(0, nodes.shape[1] - 1, _POINTS)
    left = position.long().clamp(max=nodes.shape[1] - 2)
    weight = (1 - torch.cos(torch.pi * (position - left))) / 2
    return torch.lerp(nodes[:, left], nodes[:, left + 1], weight)


def look_up_curve(curves: Tensor, values: Tensor) -> Tensor:
    """Apply a curve to each row of ``values``.

    Args:
        curves: ``(N, points)``.
        values: ``(N, n)`` from 0 to 1.
    """
    position = values * (curves.shape[1] - 1)
    left = position.long().clamp(0, curves.shape[1] - 2)
    return torch.lerp(curves.gather(1, left), curves.gather(1, left + 1), position - left)
