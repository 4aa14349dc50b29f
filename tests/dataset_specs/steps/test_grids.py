"""Steps that change grids: match_geometry, crop_empty, reorient, flip, resize_2d; and those that choose channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from rasd_nnu.dataset_specs.formats.picture import Geometry, Picture
from rasd_nnu.dataset_specs.steps.channels import Channel, Grey
from rasd_nnu.dataset_specs.steps.crop import CropEmpty
from rasd_nnu.dataset_specs.steps.geometry import MatchGeometry
from rasd_nnu.dataset_specs.steps.patch import Patch
from rasd_nnu.dataset_specs.steps.reorient import Flip, Reorient
from rasd_nnu.dataset_specs.steps.resize import Resize2D
from rasd_nnu.dataset_specs.steps.vocabulary import BothStep, SingleStep
from rasd_nnu.errors import DatasetError

Maker = Callable[..., Picture]
PLACE = Geometry((0.5, 0.5, 3), (-10, 20, 30), (0, -1, 0, 1, 0, 0, 0, 0, 1))
VOLUME = np.arange(4 * 5 * 6).reshape(4, 5, 6)


def world_of(picture: Picture, z: int, y: int, x: int) -> np.ndarray:
    return (picture.geometry.affine @ [x, y, z, 1])[:3]


def test_rounding_is_repaired(picture: Maker) -> None:
    image, label = picture(VOLUME, geometry=PLACE), picture(VOLUME > 3, geometry=PLACE)
    moved = replace(label, geometry=replace(PLACE, origin_mm=(-10.01, 20, 30)))
    assert MatchGeometry()(image, moved)[1].geometry == PLACE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"origin_mm": (-10, 20, 31)}, r"lies 2 voxel\(s\) away from its image img; tolerated are 0.1"),
        ({"spacing_mm": (0.5, 0.6, 3)}, r"spacing 0.5x0.6x3 mm but its image img 0.5x0.5x3 mm"),
        ({"direction": (0, 1, 0, 1, 0, 0, 0, 0, 1)}, r"voxel\(s\) away"),
        ({"origin_mm": (float("nan"), 0, 0)}, r"lies nan voxel\(s\) away"),
    ],
)
def test_mismatch_is_refused(picture: Maker, changes: dict[str, tuple[float, ...]], message: str) -> None:
    image = picture(VOLUME, "img", PLACE)
    label = picture(VOLUME, "seg", replace(PLACE, **changes))
    with pytest.raises(DatasetError, match=rf"seg .*{message}"):
        MatchGeometry()(image, label)
    assert MatchGeometry(trust_image=True)(image, label)[1].geometry == PLACE


def test_shape_may_differ_by_what_is_stated(picture: Maker) -> None:
    image, label = picture(VOLUME[:, :, :5], "img"), picture(VOLUME[:, :4], "seg")
    with pytest.raises(DatasetError, match=r"seg has the shape \(4, 4, 6\) .* its image img \(4, 5, 5\)"):
        MatchGeometry()(image, label)
    trimmed = MatchGeometry(trim_vox=1)(image, label)
    assert trimmed[0].shape == trimmed[1].shape == (4, 4, 5)
    assert np.array_equal(trimmed[0].array, trimmed[1].array)


def test_shape_must_agree_even_where_the_image_is_trusted(picture: Maker) -> None:
    with pytest.raises(DatasetError, match="they may differ by 0"):
        MatchGeometry(trust_image=True)(picture(VOLUME), picture(VOLUME[:3]))


def test_part_is_laid_on_the_whole_grid(picture: Maker) -> None:
    image = picture(VOLUME, "img", PLACE)
    part = picture(VOLUME[1:3, :, 2:], "seg", PLACE.shifted((1, 0, 2)))
    label = MatchGeometry(embed=True)(image, part)[1]
    expected = np.zeros_like(VOLUME)
    expected[1:3, :, 2:] = VOLUME[1:3, :, 2:]
    assert np.array_equal(label.array[0], expected)
    assert label.geometry == PLACE
    for elsewhere in (PLACE.shifted((3, 0, 2)), replace(PLACE, origin_mm=(-10.2, 20, 30))):
        with pytest.raises(DatasetError, match=r"seg (has the shape|lies)"):
            MatchGeometry(embed=True)(image, replace(part, geometry=elsewhere))


def test_image_without_a_label_is_left_alone(picture: Maker) -> None:
    image = picture(VOLUME)
    assert MatchGeometry()(image, None) == (image, None)


def test_label_without_a_spacing_takes_that_of_the_image(picture: Maker) -> None:
    assert MatchGeometry()(picture(VOLUME, geometry=PLACE), picture(VOLUME, known=False))[1].geometry == PLACE


def test_empty_borders_are_cut_and_the_place_is_kept(picture: Maker) -> None:
    array = np.zeros((6, 7, 8), np.int16)
    array[2, 3:5, 1:6] = 9
    image, label = picture(array, geometry=PLACE), picture(array > 0, geometry=PLACE)
    cut, cut_label = CropEmpty(margin_vox=1)(image, label)
    assert cut_label is not None
    assert cut.shape == cut_label.shape == (3, 4, 7)
    assert np.allclose(world_of(cut, 1, 1, 1), world_of(image, 2, 3, 1))
    assert cut.array.sum() == array.sum()


def test_crop_refuses_to_lose_labels_and_empty_images(picture: Maker) -> None:
    array = np.zeros((2, 4, 4))
    with pytest.raises(DatasetError, match=r"a\.png is empty: no voxel is above 0"):
        CropEmpty()(picture(array))
    array[0, 0, 0] = 5
    with pytest.raises(DatasetError, match=r"seg has 31 labelled voxel\(s\) where its image is empty"):
        CropEmpty()(picture(array), picture(np.ones((2, 4, 4)), "seg"))


@pytest.mark.parametrize("to", ["LPS", "RAS", "PIR"])
def test_reorienting_keeps_every_voxel_in_its_place(picture: Maker, to: str) -> None:
    before = picture(VOLUME, geometry=PLACE)
    after = Reorient(to=to)(before)
    for z, y, x in ((0, 0, 0), (3, 1, 2), (2, 4, 5)):
        index = np.linalg.solve(after.geometry.affine, [*world_of(before, z, y, x), 1])[:3]
        i, j, k = np.rint(index).astype(int)
        assert np.allclose(index, (i, j, k), atol=1e-6)
        assert after.array[0, k, j, i] == before.array[0, z, y, x]
    axes = np.reshape(after.geometry.direction, (3, 3))
    for axis, letter in enumerate(to):
        world = "LPSRAI".index(letter)
        assert axes[world % 3, axis] == pytest.approx(1 if world < 3 else -1)


@pytest.mark.parametrize("to", ["LPP", "LP", "lps", "LRS"])
def test_orientation_must_name_three_axes(to: str) -> None:
    with pytest.raises(ValidationError):
        Reorient(to=to)


def test_flip_reverses_the_array_only(picture: Maker) -> None:
    after = Flip(axes=("z", "x"))(picture(VOLUME, geometry=PLACE))
    assert np.array_equal(after.array[0], VOLUME[::-1, :, ::-1])
    assert after.geometry == PLACE


def test_resize_keeps_the_area_and_the_label_values(picture: Maker) -> None:
    rng = np.random.default_rng(0)
    image = picture(rng.integers(0, 255, (3, 1, 40, 60)).astype(np.uint8), geometry=PLACE)
    label = picture(rng.choice([0, 3, 7], (40, 60)), geometry=PLACE)
    small, small_label = Resize2D(max_edge=30)(image, label)
    assert small_label is not None
    assert small.shape == small_label.shape == (1, 20, 30)
    assert small.array.dtype == np.uint8
    assert set(np.unique(small_label.array)) == {0, 3, 7}
    assert small.geometry.spacing_mm == pytest.approx((1, 1, 3))
    corner = np.array([-0.5, -0.5, 0, 1])
    assert np.allclose(small.geometry.affine @ corner, image.geometry.affine @ corner)
    assert abs(float(small.array.mean()) - float(image.array.mean())) < 2


def test_small_pictures_are_not_enlarged(picture: Maker) -> None:
    image = picture(np.ones((4, 6)))
    assert Resize2D(max_edge=6)(image)[0] is image


def test_resize_to_a_size_and_to_a_pixel(picture: Maker) -> None:
    image = picture(np.ones((40, 60)), geometry=PLACE)
    assert Resize2D(size=(8, 9))(image)[0].shape == (1, 8, 9)
    assert Resize2D(spacing_mm=1)(image)[0].shape == (1, 20, 30)
    with pytest.raises(DatasetError, match=r"a\.png has no known spacing"):
        Resize2D(spacing_mm=1)(picture(np.ones((4, 6)), known=False))


@pytest.mark.parametrize("wrong", [{}, {"max_edge": 4, "spacing_mm": 1}, {"size": (0, 3)}])
def test_resize_has_exactly_one_rule(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Resize2D.model_validate(wrong)


def test_green_channel(picture: Maker) -> None:
    rgb = np.arange(3 * 4).reshape(3, 1, 2, 2)
    assert np.array_equal(Channel(index=1)(picture(rgb)).array, rgb[1:2])
    with pytest.raises(DatasetError, match=r"a\.png has 3 channel\(s\), but the spec asks for channel 3"):
        Channel(index=3)(picture(rgb))


def test_grey_keeps_equal_channels_exactly(picture: Maker) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(Grey()(picture(np.stack([grey] * 3)[:, None])).array[0, 0], grey)
    green = np.zeros((3, 1, 1, 1), np.uint8)
    green[1] = 100
    assert Grey()(picture(green)).array.item() == 59
    assert Grey()(picture(grey)).array.shape == (1, 1, 16, 16)
    with pytest.raises(DatasetError, match=r"a\.png has 2 channels"):
        Grey()(picture(np.ones((2, 1, 3, 3))))


def test_steps_are_found_by_kind() -> None:
    single: TypeAdapter[object] = TypeAdapter(SingleStep)
    both: TypeAdapter[object] = TypeAdapter(BothStep)
    assert single.validate_python({"kind": "channel", "index": 1}) == Channel(index=1)
    assert both.validate_python({"kind": "resize_2d", "max_edge": 512}) == Resize2D(max_edge=512)


def row_at(picture: Picture, z: int, y: int, x: int) -> dict[str, str]:
    return dict(zip(("cx", "cy", "cz"), (str(value) for value in world_of(picture, z, y, x)), strict=True))


CUT = Patch(centre=("cx", "cy", "cz"), shape=(2, 3, 4))


def test_patch_around_a_world_point(picture: Maker) -> None:
    image = picture(VOLUME, "1.2.3.mhd", PLACE)
    patch = CUT(image, row_at(image, 2, 2, 3))
    assert np.array_equal(patch.array[0], VOLUME[1:3, 1:4, 1:5])
    assert np.allclose(world_of(patch, 0, 0, 0), world_of(image, 1, 1, 1))


def test_patch_at_the_border_is_filled(picture: Maker) -> None:
    image = picture(VOLUME + 5, geometry=PLACE)
    patch = CUT(image, row_at(image, 0, 0, 0))
    assert np.array_equal(patch.array[0, 1, 1:, 2:], (VOLUME + 5)[0, :2, :2])
    assert (patch.array[0, 0] == 5).all()
    assert Patch(centre=CUT.centre, shape=CUT.shape, fill=-1024)(image, row_at(image, 0, 0, 0)).array.min() == -1024


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"cx": "900", "cy": "0", "cz": "0"}, r"1\.2\.3\.mhd: the point .* lies outside the image"),
        ({"cx": "1", "cy": "0"}, r"a row gives no point in the columns cx, cy, cz"),
        ({"cx": "1", "cy": "0", "cz": "left"}, r"a row gives no point"),
        ({"cx": "nan", "cy": "0", "cz": "0"}, r"is not finite"),
    ],
)
def test_patch_needs_a_point_inside(picture: Maker, row: dict[str, str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        CUT(picture(VOLUME, "1.2.3.mhd", PLACE), row)
