"""Steps that change label values: remap, above, colours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.dataset_specs.steps.colours import ColourClass, Colours
from rasd_nnu.dataset_specs.steps.remap import Above, Remap
from rasd_nnu.errors import DatasetError

Maker = Callable[..., Picture]


def values_of(picture: Picture) -> list[int]:
    return picture.array.ravel().tolist()


def test_remap_merges_and_swaps(picture: Maker) -> None:
    before = picture([[0, 1, 2], [4, 2, 1]])
    after = Remap(values={0: 0, 1: 2, 2: 1, 4: 1})(before)
    assert values_of(after) == [0, 2, 1, 1, 1, 2]
    assert after.array.dtype == np.uint8
    assert values_of(before) == [0, 1, 2, 4, 2, 1]


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=30), st.randoms())
def test_remap_agrees_with_a_loop(values: list[int], random: object) -> None:
    from pathlib import Path

    table = {value: value % 7 for value in values}
    label = Picture(np.array(values).reshape(1, 1, 1, -1), Geometry(), Path("a"))
    assert values_of(Remap(values=table)(label)) == [table[value] for value in values]


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint16])
def test_remap_takes_every_type_of_number(picture: Maker, dtype: type) -> None:
    assert values_of(Remap(values={0: 0, 205: 1})(picture(np.array([[0, 205]], dtype)))) == [0, 1]


@pytest.mark.parametrize("stray", [3, 1.5, np.nan, -1])
def test_remap_refuses_an_unknown_value(picture: Maker, stray: float) -> None:
    shown = "nan" if np.isnan(stray) else f"{stray:g}"
    with pytest.raises(
        DatasetError, match=rf"seg\.nii\.gz has the label value\(s\) {shown}, .* it names 0, 1\. Correct"
    ):
        Remap(values={0: 0, 1: 1})(picture([[0, 1, stray]], "seg.nii.gz"))


def test_remap_sends_the_others_where_told(picture: Maker) -> None:
    assert values_of(Remap(values={1: 1}, other=0)(picture([[0, 1, 9]]))) == [0, 1, 0]


def test_above_turns_instances_into_a_class(picture: Maker) -> None:
    assert values_of(Above()(picture(np.array([[0, 1, 513]], np.uint16)))) == [0, 1, 1]


def test_above_cuts_the_fringes_of_jpeg(picture: Maker) -> None:
    assert values_of(Above(threshold=127, label=2)(picture(np.array([[3, 127, 128, 250]], np.uint8)))) == [0, 0, 2, 2]


def test_above_refuses_nan_and_colours(picture: Maker) -> None:
    with pytest.raises(DatasetError, match=r"a\.png has NaN"):
        Above()(picture([[0, np.nan]]))
    with pytest.raises(DatasetError, match=r"a label map needs one channel, this has 3"):
        Above()(picture(np.zeros((3, 1, 2, 2))))


PALETTE = (
    ColourClass(rgb=(0, 0, 0), label=0),
    ColourClass(rgb=(128, 0, 0), label=1),
    ColourClass(rgb=(0, 128, 0), label=2),
    ColourClass(rgb=(64, 0, 0), label=1),
)


def coloured(picture: Maker, *colours: tuple[int, int, int]) -> Picture:
    return picture(np.array(colours, np.uint8).T.reshape(3, 1, 1, -1), "mask.png")


def test_colours_become_labels(picture: Maker) -> None:
    mask = coloured(picture, (0, 0, 0), (128, 0, 0), (0, 128, 0), (64, 0, 0))
    assert values_of(Colours(colours=PALETTE)(mask)) == [0, 1, 2, 1]


def test_unknown_colour_is_refused(picture: Maker) -> None:
    mask = coloured(picture, (0, 0, 0), (126, 3, 0), (126, 3, 0))
    with pytest.raises(DatasetError, match=r"mask\.png has 1 colour\(s\) .*: \(126, 3, 0\) in 2 pixel\(s\)"):
        Colours(colours=PALETTE)(mask)
    assert values_of(Colours(colours=PALETTE, tolerance=3)(mask)) == [0, 1, 1]


def test_grey_mask_is_no_coloured_one(picture: Maker) -> None:
    with pytest.raises(DatasetError, match=r"a\.png has 1 channel\(s\), but a colour-coded mask has 3"):
        Colours(colours=PALETTE)(picture([[0, 1]]))


@pytest.mark.parametrize("wrong", [{"values": {}}, {"values": {0: 256}}, {"values": {0: 0}, "table": 1}])
def test_parameters_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Remap.model_validate(wrong)
