"""Pictures of features: points in two dimensions side by side, and maps over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rasd_nnu.features.images import FloatArray
from rasd_nnu.features.points import Points
from rasd_nnu.features.projection import colours
from rasd_nnu.features.separation import Separation

_INCHES = 2.6
#: Channels that are shown by themselves beside the colours.
_SINGLE = 4


@dataclass(frozen=True)
class Scatter:
    """One panel.

    Args:
        points: What is shown.
        places: ``(N, 2)``.
        numbers: How well they separate.
    """

    points: Points
    places: FloatArray
    numbers: Separation


def scatter_sheet(panels: Mapping[str, Sequence[Scatter]]) -> Any:
    """Draw a column for each checkpoint and a row for each kind of points (figure 5 of the paper).

    Args:
        panels: Checkpoint -> its panels, of the same kinds in the same order.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    rows = len(next(iter(panels.values())))
    figure = Figure(figsize=(_INCHES * len(panels) + 1.4, _INCHES * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, len(panels), squeeze=False)
    for column, (name, scatters) in enumerate(panels.items()):
        for row, scatter in enumerate(scatters):
            axis, classes = axes[row, column], np.unique(scatter.points.classes)
            for i, value in enumerate(classes):
                here = scatter.points.classes == value
                colour = colormaps["tab10"](i % 10)
                axis.scatter(*scatter.places[here].T, s=6, linewidths=0, color=colour, label=str(value))
            numbers = f"silhouette {scatter.numbers.silhouette:.2f}, probe {scatter.numbers.probe:.2f}"
            axis.set_title(f"{name}\n{numbers}" if row == 0 else numbers, fontsize=8)
            axis.set(xticks=[], yticks=[])
            if column == 0:
                axis.set_ylabel(scatter.points.kind, fontsize=8)
            if column == len(panels) - 1:
                axis.legend(fontsize=6, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2)
    return figure


def map_sheet(
    slices: Mapping[str, Mapping[str, FloatArray]], components: Mapping[str, Mapping[str, FloatArray]]
) -> Any:
    """Draw for each case its image, then for each checkpoint the components as colours and the first ones alone.

    Args:
        slices: Case -> checkpoint -> image ``(Y, X)``; figures 9 and 10 of the paper show such maps.
        components: Case -> checkpoint -> components ``(K, Y, X)``.
    """
    from matplotlib.figure import Figure

    names = list(next(iter(components.values())))
    single = min(_SINGLE, next(iter(next(iter(components.values())).values())).shape[0])
    columns = 2 + single
    rows = [(case, name) for case in components for name in names]
    figure = Figure(figsize=(1.5 * columns, 1.6 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (case, name) in zip(axes, rows, strict=True):
        planes = [(slices[case][name], "gray"), (colours(components[case][name]), None)]
        planes += [(plane, "magma") for plane in components[case][name][:single]]
        for axis, (plane, scale) in zip(line, planes, strict=True):
            axis.imshow(plane, cmap=scale)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(f"{case}\n{name}", fontsize=6)
    titles = ["image", "components 1-3", *(f"component {i + 1}" for i in range(single))]
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=7)
    return figure
