from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest

from rasd_nnu.compare.page.charts import _cliques, lines
from rasd_nnu.compare.page.content import Line
from rasd_nnu.compare.page.svg import Drawing, scale, shorten, spread, tick_text, ticks


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.013, 0.0021), (0.5, 0.5001), (-3000, 12), (1e-9, 3e-9)])
def test_ticks_are_few_evenly_spaced_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    slack = (high - low) * 1e-6
    assert all(low - slack <= value <= high + slack for value in found)
    steps = [b - a for a, b in pairwise(found)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)


def test_tick_texts_differ() -> None:
    found = ticks(0.81, 0.835)
    assert len({tick_text(v, found[1] - found[0]) for v in found}) == len(found)


@pytest.mark.parametrize(("low", "high"), [(0.45, 0.56), (-0.0055, 0.0051), (0, 1), (0, 24), (3e-6, 9e-6), (0, 1e6)])
def test_tick_texts_are_the_values(low: float, high: float) -> None:
    found = ticks(low, high)
    step = found[1] - found[0]
    assert [float(tick_text(value, step)) for value in found] == pytest.approx(found, abs=step * 1e-6)


def test_a_range_is_never_empty() -> None:
    for values in ([], [0.0], [0.5, 0.5], [math.nan], [math.inf, 1.0]):
        low, high = spread(values)
        assert low < high and math.isfinite(high - low)


def test_text_is_escaped_and_the_drawing_is_xml() -> None:
    drawing = Drawing(10, '"><script>')
    drawing.text(1, 2, "</text><script>alert(1)</script>")
    drawing.dot(1, 2, "a", tip="a & b")
    root = ElementTree.fromstring(str(drawing.markup()).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '))
    assert [child.tag.split("}")[1] for child in root] == ["text", "circle"]
    assert root[0].text == "</text><script>alert(1)</script>"
    assert root[1][0].text == "a & b"


def test_shorten_keeps_both_ends() -> None:
    assert shorten("abcdefghij", 7) == "abc…hij"
    assert shorten("abc", 7) == "abc"
    assert scale(0, 10, 100, 200)(2.5) == 125


def test_values_that_are_not_numbers_are_left_out_of_curves() -> None:
    text = lines([Line("x", "a", [0, 1, 2], [1.0, math.nan, 0.0])], "t", "epoch", log=True)
    assert "nan" not in text.lower()


def test_cliques_are_the_largest_groups_within_the_distance() -> None:
    assert _cliques([1.0, 1.5, 2.2, 4.0], 1.0) == [(0, 1), (1, 2)]
    assert _cliques([1.0, 1.2, 1.4], 1.0) == [(0, 2)]
    assert _cliques([1.0, 3.0], 1.0) == []
