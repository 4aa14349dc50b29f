"""Outlines and boxes drawn as label maps."""

from __future__ import annotations

import numpy as np
import pytest

from rasd_nnu.dataset_specs.formats.shapes import Box, Outline
from rasd_nnu.dataset_specs.shapes import fill_boxes, fill_outlines, usable_boxes

LABELS = {"a": 1, "b": 2}


def outline(name: str, *points: tuple[float, float]) -> Outline:
    return Outline(name, np.array(points, dtype=float).reshape(-1, 2))


def test_outline_is_filled_in_x_and_y() -> None:
    drawn = fill_outlines([outline("a", (2, 1), (6, 1), (6, 3), (2, 3))], LABELS, (5, 9))
    assert np.array_equal(np.argwhere(drawn == 1).min(axis=0), [1, 2])
    assert np.array_equal(np.argwhere(drawn == 1).max(axis=0), [3, 6])


def test_later_outline_covers_an_earlier_one() -> None:
    square = ((0, 0), (4, 0), (4, 4), (0, 4))
    assert fill_outlines([outline("b", *square), outline("a", *square)], LABELS, (5, 5)).max() == 1


def test_outline_may_leave_the_image() -> None:
    assert (fill_outlines([outline("b", (-9, -9), (30, -9), (30, 30), (-9, 30))], LABELS, (5, 5)) == 2).all()


@pytest.mark.parametrize("points", [(), ((1, 1),), ((1, 1), (4, 4))])
def test_outline_without_an_area_draws_nothing(points: tuple[tuple[float, float], ...]) -> None:
    assert not fill_outlines([outline("a", *points)], LABELS, (5, 5)).any()


def test_box_of_an_outline() -> None:
    assert outline("a", (3, 9), (1.5, 2)).box() == Box("a", 1.5, 2, 3, 9)
    assert outline("a").box().is_degenerate
    assert outline("a", (3, 3)).box().is_degenerate


def test_box_and_the_disc_in_it() -> None:
    box = Box("b", 2, 1, 8, 7)
    assert fill_boxes([box], LABELS, (9, 9), "box").sum() == 2 * 36
    disc = fill_boxes([box], LABELS, (9, 9), "disc") == 2
    assert disc[1, 4] and not disc[1, 2]
    assert abs(int(disc.sum()) - np.pi * 9) < 5


def test_boxes_outside_are_dropped() -> None:
    boxes = [Box("a", -3, -3, 4, 4), Box("a", 50, 0, 60, 9), Box("a", 5, 5, 5, 8), Box("a", 8, 2, 6, 4)]
    assert usable_boxes(boxes, (10, 10)) == [Box("a", 0, 0, 4, 4)]
