from __future__ import annotations

import numpy as np
import pytest
import torch

from rasd_nnu.pretrain.synthesis import SynthesisConfig, draw, generator_for, render, synthesize
from rasd_nnu.pretrain.synthesis.effects.blur import GaussianBlur
from rasd_nnu.pretrain.synthesis.normalise import normalise


def sample(shape=(64, 64), index=0, channels=1, name="default", **overrides):
    setting = SynthesisConfig.preset(
        name,
        shape=shape,
        classes=6,
        channels=channels,
        overrides={key.replace("__", "."): value for key, value in overrides.items()},
    )
    return draw(setting, generator_for(0, index))


def roughness(image, axis):
    return image.diff(dim=axis).square().mean()


def test_thick_slices_lower_the_resolution_along_their_axis_only():
    thickness = {"slices__probability": 1, "slices__thickness": [4, 4, "vox"]}
    parameters = sample((32, 32, 32), noise__std=[0.1, 0.1, "1"], blur__sigma=[0, 0, "vox"], **thickness)
    thick, _ = render(parameters)
    thin, _ = render(parameters.with_effects(slices=None))
    assert roughness(thick[0, 0], 0) < 0.4 * roughness(thin[0, 0], 0)
    assert roughness(thick[0, 0], 1) > 0.1 * roughness(thin[0, 0], 1)


def test_slices_never_act_in_2d():
    assert sample(slices__probability=1, slices__thickness=[4, 4, "vox"]).effects.get("slices") is None


def test_blur_is_a_gaussian_of_the_drawn_width():
    from scipy import ndimage

    parameters = sample(noise__probability=0, contrast__minmax=False, contrast__gamma=[1, 1, "1"])
    sharp = render(parameters.with_effects(blur=None))[0][0, 0].numpy()
    blurred = render(parameters.with_effects(blur=GaussianBlur((1.5, 0.7))))[0][0, 0].numpy()
    expected = ndimage.gaussian_filter(sharp, (1.5, 0.7), truncate=3)
    inner = (slice(8, -8),) * 2
    np.testing.assert_allclose(blurred[inner], expected[inner], atol=2e-3)


def test_bias_field_is_smooth_positive_and_has_the_drawn_peak():
    parameters = sample(bias__peak=[0.3, 0.3, "1"], bias__fwhm=[0.4, 0.4, "fraction"])
    field = parameters.effects["bias"].over((64, 64), 0, torch.device("cpu"))
    assert float(field.max()) == pytest.approx(np.exp(0.3), rel=1e-5)
    assert float(field.min()) > 0
    assert float(field.diff(dim=0).abs().max()) < 0.1


@pytest.mark.parametrize("kind", ["gaussian", "rician", "speckle", "poisson"])
def test_noise_of_each_kind_has_its_law(kind):
    quiet = {"contrast__minmax": False, "contrast__gamma": [1, 1, "1"], "bias__probability": 0}
    parameters = sample(
        (256, 256),
        blur__probability=0,
        regions__std=[0, 0, "intensity"],
        regions__partial_volume=[0, 0, "vox"],
        noise__kinds=[kind],
        noise__std=[0.1, 0.1, "1"],
        **quiet,
    )
    noisy, label = render(parameters)
    clean, _ = render(parameters.with_effects(noise=None))
    top = float(clean.abs().max())
    for k in label.unique():
        inside = label[0] == k
        if inside.sum() < 2000:
            continue
        value, spread = float(clean[0, 0][inside].mean()), float(noisy[0, 0][inside].std())
        expected = {"gaussian": 0.1 * top, "speckle": 0.1 * value, "poisson": 0.1 * np.sqrt(value * top)}.get(kind)
        if expected is not None:
            assert spread == pytest.approx(expected, rel=0.1, abs=1e-4)
        else:
            power = float(noisy[0, 0][inside].square().mean())
            assert power == pytest.approx(value**2 + 2 * (0.1 * top) ** 2, rel=0.1)
            assert float(noisy.min()) >= 0


def test_channels_show_the_same_labels_with_their_own_appearance():
    image, _ = render(sample(channels=3))
    assert image.shape[1] == 3
    first, second = image[0, 0].flatten(), image[0, 1].flatten()
    assert not torch.equal(first, second)


def test_channel_correlation_ties_the_channels_means():
    def spread(share):
        own = sample(channels=3, regions__channel_correlation=[share, share, "1"])
        return float(own.effects["regions"].mean.std(0).mean())

    assert spread(1) == 0 < spread(0.7) < spread(0)


def test_body_is_surrounded_by_flat_air():
    quiet = {"noise__probability": 0, "regions__partial_volume": [0, 0, "vox"], "contrast__minmax": False}
    parameters = sample((64, 64), body__probability=1, **quiet)
    image, label = render(parameters.with_effects(bias=None, blur=None))
    corners = [label[0][i, j] for i in (0, -1) for j in (0, -1)]
    assert all(int(c) == 0 for c in corners)
    assert image[0, 0][label[0] == 0].unique().numel() == 1


@pytest.mark.parametrize("shape", [(128, 128), (48, 48, 48)])
def test_tubes_are_thin_and_are_the_last_class(shape):
    _, with_tubes = synthesize(
        SynthesisConfig.preset("default", shape=shape, classes=6, overrides={"tubes.probability": 1}), 0, range(6)
    )
    share = (with_tubes == 5).float().mean(dim=tuple(range(1, with_tubes.ndim)))
    assert 0 < float(share.mean()) < 0.2


def test_inclusions_are_small_balls():
    from scipy import ndimage

    radius = {"inclusions__radius": [0.05, 0.05, "fraction"], "inclusions__count": [3, 3, "count"]}
    _, label = render(sample((96, 96), inclusions__probability=1, tubes__probability=1, **radius))
    assert label.max() == 5
    own = label[0].numpy() == 4
    _, count = ndimage.label(own)
    assert 1 <= count <= 3 + 3  # a tube may cut a ball
    assert own.sum() <= 3 * np.pi * (0.05 * 96 + 1) ** 2


@pytest.mark.parametrize("scheme", ["ZScoreNormalization", "CTNormalization", "SomethingElse"])
def test_z_scores(scheme):
    image = normalise(torch.rand(64, 64) * 5 + 3, scheme)
    assert float(image.mean()) == pytest.approx(0, abs=1e-5)
    assert float(image.std()) == pytest.approx(1, rel=1e-3)


def test_ct_clips_outliers():
    raw = torch.rand(100, 100)
    raw[0, 0] = 1000.0
    assert float(normalise(raw, "CTNormalization").max()) < 3


@pytest.mark.parametrize("scheme", ["RescaleTo01Normalization", "RGBTo01Normalization"])
def test_rescaling(scheme):
    image = normalise(torch.rand(64, 64) * 5 + 3, scheme)
    assert float(image.min()) == 0 and float(image.max()) == 1
