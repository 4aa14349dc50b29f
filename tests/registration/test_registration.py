from __future__ import annotations

import warnings

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch

from rasd_nnu.errors import ConfigError, DatasetError
from rasd_nnu.registration import grid as grids
from rasd_nnu.registration.convex import ConvexSettings, convex_adam, mind_features
from rasd_nnu.registration.grid import common_grid, displacement_transform, resampled, start_transform
from rasd_nnu.registration.register import Registration, intensities, mind, register
from tests.features.parts import blobs, image_of

SHAPE = (24, 20, 28)
SMALL = ConvexSettings(lambda_weight=0.5, grid_sp=3, disp_hw=3, grid_sp_adam=1, selected_niter=60)


def test_the_displacement_leads_from_the_fixed_to_the_moving_image() -> None:
    fixed, moving = (torch.from_numpy(blobs(SHAPE, shift))[None] for shift in ((0, 0, 0), (2.0, -1.0, 3.0)))
    found = convex_adam(fixed * 5, moving * 5, SMALL)
    assert found.shape == (*SHAPE, 3)
    inside = np.abs(fixed[0].numpy()) > 0.3
    assert np.allclose(found[inside].mean(0), (2, -1, 3), atol=0.6)


@pytest.mark.parametrize("compare", [intensities, mind])
def test_a_shifted_image_comes_back(compare: object) -> None:
    fixed = image_of(blobs(SHAPE), (1.0, 1.5, 2.0))
    moving = image_of(blobs(SHAPE, (1.0, 2.0, -2.0)), (1.0, 1.5, 2.0))
    fixed.SetDirection((0, -1, 0, 1, 0, 0, 0, 0, 1))  # axes that are turned do not matter
    moving.SetDirection(fixed.GetDirection())
    found = register(fixed, moving, compare, SMALL)  # type: ignore[arg-type]
    before, after = (
        np.abs(sitk.GetArrayFromImage(image) - sitk.GetArrayFromImage(fixed)).mean()
        for image in (moving, found.warp(moving, fixed))
    )
    assert after < 0.5 * before
    labels = moving > 0.5
    warped = sitk.GetArrayFromImage(found.warp_labels(labels, fixed)).astype(bool)
    reference = sitk.GetArrayFromImage(fixed) > 0.5
    assert 2 * (warped & reference).sum() / (warped.sum() + reference.sum()) > 0.85
    assert found.folded() < 0.01
    assert found.field.GetSize() == fixed.GetSize()


def test_a_displacement_is_in_millimetres_along_the_axes_of_the_image() -> None:
    image = image_of(blobs(SHAPE), (1.0, 1.5, 2.0))
    image.SetOrigin((5, 6, 7))
    image.SetDirection((0, -1, 0, 0, 0, 1, -1, 0, 0))
    displacement = np.broadcast_to((1.0, 2.0, 3.0), (*SHAPE, 3))
    transform = displacement_transform(displacement, image, sitk.TranslationTransform(3, (10, 0, 0)))
    for index in ((3, 4, 5), (10, 11, 12)):
        there = image.TransformIndexToPhysicalPoint(tuple(i + d for i, d in zip(index, (3, 2, 1), strict=True)))
        found = transform.TransformPoint(image.TransformIndexToPhysicalPoint(index))
        assert np.allclose(found, np.add(there, (10, 0, 0)))


def test_folded_space_is_counted() -> None:
    image = image_of(np.zeros(SHAPE, np.float32), (1.0, 1.5, 2.0))
    displacement = np.zeros((*SHAPE, 3))
    displacement[12:, ..., 0] = -2.0 * np.arange(12)[:, None, None]  # the upper half runs backwards
    transform = displacement_transform(displacement, image, sitk.Transform())
    assert abs(Registration(transform, _field(transform, image), 0.0).folded() - 0.5) < 0.05
    still = displacement_transform(np.zeros((*SHAPE, 3)), image, sitk.Transform())
    assert Registration(still, _field(still, image), 0.0).folded() == 0.0


def _field(transform: sitk.Transform, image: sitk.Image) -> sitk.Image:
    geometry = image.GetSize(), image.GetOrigin(), image.GetSpacing(), image.GetDirection()
    return sitk.TransformToDisplacementField(transform, sitk.sitkVectorFloat64, *geometry)


def test_the_common_grid_holds_both_images() -> None:
    fixed, moving = (
        image_of(np.zeros((4, 5, 6), np.float32)),
        image_of(np.zeros((8, 5, 3), np.float32), (2.0, 1.0, 1.0)),
    )
    fixed.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, 1))
    moving.SetOrigin((100, 0, 0))
    start = start_transform(fixed, moving, "centre")
    middle = fixed.TransformContinuousIndexToPhysicalPoint((2.5, 2, 1.5))
    assert np.allclose(start.TransformPoint(middle), moving.TransformContinuousIndexToPhysicalPoint((1, 2, 3.5)))
    grid = common_grid(fixed, moving, start, None)
    assert grid.GetSize() == (6, 5, 8)
    assert np.allclose(grid.TransformIndexToPhysicalPoint((0, 0, 2)), fixed.TransformIndexToPhysicalPoint((0, 0, 0)))
    far = common_grid(fixed, moving, start_transform(fixed, moving, "header"), (1.0, 1.0, 0.5))
    assert far.GetSize()[1:] == (5, 16) and far.GetSize()[0] > 100


def test_images_that_lie_far_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "MOST_VOXELS", 1000)
    image = image_of(np.zeros((4, 5, 6), np.float32))
    moving = sitk.Image(image)
    moving.SetOrigin((1000, 0, 0))
    with pytest.raises(DatasetError, match="--align centre"):
        common_grid(image, moving, start_transform(image, moving, "header"), None)


def test_labels_end_where_their_image_does_and_intensities_go_on() -> None:
    image = image_of(np.ones((4, 4, 4), np.float32))
    shift = sitk.TranslationTransform(3, (2, 0, 0))
    assert sitk.GetArrayFromImage(resampled(image, image, shift)).all()
    labels = sitk.GetArrayFromImage(resampled(sitk.Cast(image, sitk.sitkUInt8), image, shift, nearest=True))
    assert labels[..., :2].all() and not labels[..., 2:].any()


def test_the_package_stays_as_it_is() -> None:
    with warnings.catch_warnings():
        from convexAdam import convex_adam_MIND
    original, filters = convex_adam_MIND.extract_features, list(warnings.filters)
    features = torch.randn(2, 8, 8, 8)
    convex_adam(features, features, ConvexSettings(grid_sp=2, disp_hw=1, selected_niter=1))
    assert convex_adam_MIND.extract_features is original
    assert warnings.filters == filters
    image = torch.from_numpy(blobs((10, 9, 8)))
    expected = convex_adam_MIND.MINDSSC(image[None, None], 1, 2, device="cpu")[0]
    assert torch.allclose(mind_features(image), expected)


def test_bad_input() -> None:
    with pytest.raises(DatasetError, match="smaller --grid"):
        convex_adam(torch.zeros(1, 8, 8, 8), torch.zeros(1, 8, 8, 8), ConvexSettings())
    with pytest.raises(ConfigError, match="grid_sp is 0"):
        ConvexSettings(grid_sp=0)
    with pytest.raises(ConfigError, match="smoothness"):
        ConvexSettings(lambda_weight=float("nan"))
    flat = image_of(np.zeros((8, 8), np.float32))
    with pytest.raises(DatasetError, match="the fixed image has 2 axes"):
        register(flat, flat, intensities)
