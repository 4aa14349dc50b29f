"""The charts of the page."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from rasd_nnu.compare.across import Ranking
from rasd_nnu.compare.page.content import Line
from rasd_nnu.compare.page.svg import WIDTH, Drawing, bottom_axis, left_axis, scale, shorten, spread
from rasd_nnu.compare.result import Comparison, PairedRow
from rasd_nnu.compare.study import Study
from rasd_nnu.compare.verdict import ALPHA

_DATASET_NUMBER = re.compile(r"\bDataset\d{3}_")
_LEFT, _RIGHT = 8.0, WIDTH - 8.0
_SHORT_NAME, _LONG_NAME = 36, 62  # characters beside the numbers, and on a line of their own


def forest(study: Study) -> Markup:
    """Draw the difference with its interval of each comparison, and of the mean over data sets."""
    rows = _forest_rows(study)
    below = 14 if max(len(row[0]) for row in rows) > _SHORT_NAME else 0  # numbers under the name, not beside it
    step = 56 if below else 34
    drawing = Drawing(20 + step * len(rows) + 44, "Difference of each comparison with its 95 % interval")
    low, high = spread([value for row in rows for value in row[1:4]], around=0.0)
    place = scale(low, high, _LEFT, _RIGHT)
    bottom = 10 + step * len(rows)
    drawing.line(place(0), 4, place(0), bottom, "zero")
    for i, (name, middle, left, right, style) in enumerate(rows):
        y = 14 + step * i
        drawing.text(_LEFT, y + 2, shorten(name, _LONG_NAME), "name")
        drawing.text(_RIGHT, y + 2 + below, f"{middle:+.4f} [{left:+.4f}, {right:+.4f}]", "tick", "end")
        drawing.line(place(left), y + 14 + below, place(right), y + 14 + below, f"interval {style}")
        drawing.dot(place(middle), y + 14 + below, f"point {style}", 5 if style == "mean" else 4)
    what = "A - B" if len(study.entries) == 1 else f"difference from {shorten(study.control, 24)}"
    scores = dict.fromkeys(entry.comparison.score for entry in study.entries)
    bottom_axis(drawing, low, high, (_LEFT, _RIGHT), bottom, f"{what}, {shorten(' and '.join(scores), 36)}")
    return drawing.markup()


def _forest_rows(study: Study) -> list[tuple[str, float, float, float, str]]:
    """Return name, difference, interval and style of each line of the forest plot."""
    rows = []
    several = len({entry.comparison.names[0] for entry in study.entries}) > 1
    for entry in study.entries:
        result = entry.comparison.overall
        name = f"{entry.comparison.names[0]}: {entry.design.title}" if several else entry.design.title
        name = _DATASET_NUMBER.sub("", name) if len(study.entries) > 1 else "A - B"
        style = "shown" if entry.p_holm < ALPHA and not entry.comparison.failed else "open"
        rows.append((name, result.difference, result.interval.low, result.interval.high, style))
    for across in study.across:
        test = across.result.test
        name = f"{across.names[0]}: mean over {across.result.n_datasets} data sets"
        rows.append((name, test.mean, test.interval.low, test.interval.high, "mean"))
    return rows


def slopes(comparison: Comparison) -> Markup:
    """Draw each case as a line from its score in arm B to that in arm A, and the means."""
    rows = [row for row in comparison.rows if not math.isnan(row.a)]
    drawing = Drawing(300, f"Score of each case in {comparison.names[1]} and {comparison.names[0]}")
    low, high = spread([value for row in rows for value in (row.a, row.b)])
    box = 266.0, 12.0
    left_axis(drawing, low, high, box, 48)
    place, at_b, at_a = scale(low, high, *box), 100.0, WIDTH - 60.0
    for row in rows:
        drawing.line(at_b, place(row.b), at_a, place(row.a), f"slope {_direction(row)}")
        drawing.dot(at_b, place(row.b), "dot b", 2.5, f"{row.case}: {row.b:.4f}")
        drawing.dot(at_a, place(row.a), "dot a", 2.5, f"{row.case}: {row.a:.4f}")
    means = [float(np.mean([getattr(row, side) for row in rows])) for side in "ba"]
    drawing.line(at_b, place(means[0]), at_a, place(means[1]), "meanslope")
    drawing.text(at_b, 290, "B", "label", "middle")
    drawing.text(at_a, 290, "A", "label", "middle")
    return drawing.markup()


def differences(comparison: Comparison) -> Markup:
    """Draw the difference of each case, sorted, and the mean with its interval."""
    rows = sorted((row for row in comparison.rows if not math.isnan(row.a)), key=lambda row: row.difference)
    result = comparison.overall
    own_score = comparison.row_score == comparison.score
    known = [row.difference for row in rows] + ([result.interval.low, result.interval.high] if own_score else [])
    low, high = spread(known, around=0.0)
    drawing = Drawing(300, "Difference of each case, sorted, with the mean and its 95 % interval")
    box = 266.0, 12.0
    left_axis(drawing, low, high, box, 48)
    place, along = scale(low, high, *box), scale(-0.5, len(rows) - 0.5, 54, WIDTH - 8)
    if own_score:
        top, below = place(result.interval.high), place(result.interval.low)
        drawing.bar(52, top, WIDTH - 60, below - top, "band")
        drawing.line(52, place(result.difference), WIDTH - 8, place(result.difference), "meanline")
    drawing.line(52, place(0), WIDTH - 8, place(0), "zero")
    for i, row in enumerate(rows):
        drawing.dot(along(i), place(row.difference), f"dot {_direction(row)}", 3, f"{row.case}: {row.difference:+.4f}")
    drawing.text((52 + WIDTH) / 2, 290, f"{len(rows)} cases, sorted", "label", "middle")
    return drawing.markup()


def _direction(row: PairedRow) -> str:
    """Return the style of a case: the colour of the arm that scores higher."""
    return "up" if row.difference > 0 else "down" if row.difference < 0 else "same"


def bars(rows: Sequence[tuple[str, float]], title: str) -> Markup:
    """Draw shares of a whole as bars.

    Args:
        rows: Name and value, 0 or more.
        title: What they are shares of.
    """
    total = sum(value for _, value in rows) or 1.0
    drawing = Drawing(12 + 40 * len(rows), title)
    for i, (name, value) in enumerate(rows):
        y = 12 + 40 * i
        drawing.text(_LEFT, y + 6, shorten(name, 40), "name")
        drawing.text(_RIGHT, y + 6, f"{value / total:.0%}", "tick", "end")
        drawing.bar(_LEFT, y + 11, _RIGHT - _LEFT, 10, "track")
        drawing.bar(_LEFT, y + 11, (_RIGHT - _LEFT) * value / total, 10, "fill")
    return drawing.markup()


def seeds(comparison: Comparison) -> Markup:
    """Draw the mean score of each seed in both arms."""
    drawing = Drawing(252, "Mean score of each seed")
    known = [value for seed in comparison.seeds for value in (seed.a, seed.b) if value is not None]
    low, high = spread(known)
    box = 206.0, 12.0
    left_axis(drawing, low, high, box, 48)
    place, along = scale(low, high, *box), scale(-0.5, len(comparison.seeds) - 0.5, 52, WIDTH - 8)
    for i, seed in enumerate(comparison.seeds):
        if seed.a is not None and seed.b is not None:
            drawing.line(along(i), place(seed.b), along(i), place(seed.a), "slope same")
        for value, style in ((seed.b, "b"), (seed.a, "a")):
            if value is not None:
                drawing.dot(along(i), place(value), f"dot {style}", 4.5, f"seed {seed.seed}: {value:.4f}")
        drawing.text(along(i), 226, str(seed.seed), "tick", "middle")
    drawing.text((52 + WIDTH) / 2, 244, "seed", "label", "middle")
    return drawing.markup()


def lines(curves: Sequence[Line], title: str, x_label: str, log: bool = False) -> Markup:
    """Draw curves over a common axis; nothing where there are none.

    Args:
        curves: The curves.
        title: What they are of.
        x_label: Label of the axis.
        log: Logarithmic values; then all must be above 0.
    """
    if not curves:
        return Markup("")
    shown = [_transformed(curve, log) for curve in curves]
    drawing = Drawing(280, title)
    low, high = spread([y for _, ys in shown for y in ys])
    first, last = spread([x for xs, _ in shown for x in xs], margin=0.0)
    box = 232.0, 12.0
    left_axis(drawing, low, high, box, 48, log)
    place, along = scale(low, high, *box), scale(first, last, 52, WIDTH - 12)
    for curve, (xs, ys) in zip(curves, shown, strict=True):
        points = [(along(x), place(y)) for x, y in zip(xs, ys, strict=True)]
        drawing.path(points, f"curve {curve.style}{' dashed' if curve.dashed else ''}")
        if len(points) == 1:
            drawing.dot(*points[0], f"dot {curve.style}")
    bottom_axis(drawing, first, last, (52, WIDTH - 12), 232, x_label)
    return drawing.markup()


def _transformed(curve: Line, log: bool) -> tuple[list[float], list[float]]:
    pairs = [(float(x), float(y)) for x, y in zip(curve.x, curve.y, strict=True)]
    known = [(x, math.log10(y) if log else y) for x, y in pairs if math.isfinite(y) and (y > 0 or not log)]
    return [x for x, _ in known], [y for _, y in known]


def critical_difference(ranking: Ranking) -> Markup:
    """Draw the mean ranks; arms that are joined by a bar are not shown to differ (Nemenyi)."""
    order = sorted(zip(ranking.result.mean_ranks, ranking.arms, strict=True))
    k, distance = len(order), ranking.result.critical_difference
    cliques = _cliques([rank for rank, _ in order], distance)
    drawing = Drawing(70 + 24 * k + 10 * len(cliques), "Mean ranks and critical difference")
    place = scale(1, max(k, 1 + distance), 30, WIDTH - 30)
    drawing.line(place(1), 40, place(1) + (place(2) - place(1)) * distance, 40, "interval mean")
    drawing.text(place(1), 32, f"critical difference {distance:.2f}", "tick")
    drawing.line(place(1), 58, place(k), 58, "axis")
    for whole in range(1, k + 1):
        drawing.line(place(whole), 54, place(whole), 58, "axis")
        drawing.text(place(whole), 52, str(whole), "tick", "middle")
    for i, (first, last) in enumerate(cliques):
        drawing.line(place(order[first][0]) - 3, 66 + 10 * i, place(order[last][0]) + 3, 66 + 10 * i, "clique")
    for i, (rank, arm) in enumerate(order):
        y = 84 + 10 * len(cliques) + 22 * i - 10
        drawing.line(place(rank), 58, place(rank), y - 4, "grid")
        anchor = "start" if rank < (1 + k) / 2 else "end"
        drawing.text(
            place(rank) + (5 if anchor == "start" else -5), y, f"{shorten(arm, 30)} ({rank:.2f})", "name", anchor
        )
    return drawing.markup()


def _cliques(ranks: Sequence[float], distance: float) -> list[tuple[int, int]]:
    """Return first and last of each largest group of sorted ranks that lie within the distance."""
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = max(i for i, other in enumerate(ranks) if other - rank <= distance)
        if last > first and not (found and found[-1][1] >= last):
            found.append((first, last))
    return found
