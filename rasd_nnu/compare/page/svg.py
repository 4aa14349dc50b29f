"""Small pieces of SVG: text that is escaped, axes with round ticks. Colours are the page's, by class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

WIDTH = 420


@dataclass
class Drawing:
    """Elements that are drawn one after the other.

    Args:
        height: Height in units of which the width has `WIDTH`.
        title: What the drawing shows, for those who do not see it.
    """

    height: float
    title: str
    parts: list[Markup] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """Draw a line."""
        self.parts.append(
            Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(style, x1, y1, x2, y2)
        )

    def dot(self, x: float, y: float, style: str, radius: float = 3, tip: str = "") -> None:
        """Draw a dot, with a tip that shows when the pointer rests on it."""
        inside = Markup("<title>{}</title>").format(tip) if tip else Markup("")
        shape = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}">{}</circle>')
        self.parts.append(shape.format(style, x, y, radius, inside))

    def bar(self, x: float, y: float, width: float, height: float, style: str) -> None:
        """Draw a filled rectangle."""
        shape = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
        self.parts.append(shape.format(style, x, y, max(width, 0), height))

    def path(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """Draw a line through points."""
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(Markup('<polyline class="{}" points="{}"/>').format(style, text))

    def text(self, x: float, y: float, words: str, style: str = "", anchor: str = "start") -> None:
        """Write words; they are escaped."""
        shape = Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
        self.parts.append(shape.format(style, x, y, anchor, words))

    def markup(self) -> Markup:
        """Return the SVG element."""
        head = Markup('<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">').format(WIDTH, self.height, self.title)
        return head + Markup("").join(self.parts) + Markup("</svg>")


def shorten(words: str, most: int) -> str:
    """Return the words, cut in the middle if they are longer than ``most`` characters."""
    if len(words) <= most:
        return words
    half = (most - 1) // 2
    return f"{words[:half]}…{words[-half:]}"


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers from ``low`` to ``high``, at most ``most`` + 1 of them.

    Example:
        >>> ticks(0.0, 1.0)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    raw = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def tick_text(value: float, step: float) -> str:
    """Write a tick with as many decimals as its step needs.

    Example:
        >>> tick_text(0.5, 0.1), tick_text(0.525, 0.025)
        ('0.5', '0.525')
    """
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step else 0
    decimals += not math.isclose(round(step, decimals), step)  # steps of 2.5 have a digit more
    text = f"{value:.{decimals}f}"
    return f"{value:g}" if abs(value) >= 1e5 or (value and abs(value) < 1e-4) else text


def spread(values: Sequence[float], margin: float = 0.06, around: float | None = None) -> tuple[float, float]:
    """Return a range that holds all values, and ``around``, with a margin; never empty."""
    known = [v for v in values if math.isfinite(v)] + ([around] if around is not None else [])
    low, high = min(known, default=0.0), max(known, default=1.0)
    room = (high - low) * margin or max(abs(high), 1e-3) * 0.1
    return low - room, high + room


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Return the function from values to positions."""
    return lambda value: start + (value - low) / (high - low) * (end - start)


def bottom_axis(drawing: Drawing, low: float, high: float, box: tuple[float, float], y: float, label: str) -> None:
    """Draw an axis below, from ``box[0]`` to ``box[1]``, with ticks and a label."""
    found = ticks(low, high)
    place, step = scale(low, high, *box), (found[1] - found[0] if len(found) > 1 else 1)
    drawing.line(box[0], y, box[1], y, "axis")
    for value in found:
        drawing.line(place(value), y, place(value), y + 4, "axis")
        drawing.text(place(value), y + 16, tick_text(value, step), "tick", "middle")
    drawing.text((box[0] + box[1]) / 2, y + 32, label, "label", "middle")


def left_axis(drawing: Drawing, low: float, high: float, box: tuple[float, float], x: float, log: bool = False) -> None:
    """Draw an axis at the left, from ``box[0]`` (below) to ``box[1]`` (above), with ticks and faint lines.

    With ``log`` the values are logarithms to base 10, and the ticks say what they are of.
    """
    found = ticks(low, high)
    place, step = scale(low, high, *box), (found[1] - found[0] if len(found) > 1 else 1)
    for value in found:
        drawing.line(x, place(value), WIDTH - 8, place(value), "grid")
        text = f"{10**value:.2g}" if log else tick_text(value, step)
        drawing.text(x - 6, place(value) + 4, text, "tick", "end")
