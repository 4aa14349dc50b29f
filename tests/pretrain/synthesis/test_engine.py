from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from rasd_nnu.pretrain.synthesis import PRESETS, SynthesisConfig, draw, generator_for, render, synthesize

QUIET = {  # no noise, blur or contrast curve
    "regions.std": [0, 0, "intensity"],
    "regions.background_std": [0, 0, "intensity"],
    "regions.partial_volume": [0, 0, "vox"],
    "bias.probability": 0,
    "noise.probability": 0,
    "blur.probability": 0,
    "slices.probability": 0,
    "contrast.gamma": [1, 1, "1"],
    "contrast.minmax": False,
}


def config(name="default", shape=(40, 32), classes=4, **kwargs):
    return SynthesisConfig.preset(name, shape=shape, classes=classes, **kwargs)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("shape", [(40, 32), (16, 20, 24)])
def test_shapes_and_types(name, shape):
    image, label = synthesize(config(name, shape, channels=2), seed=0, indices=[0, 1, 2])
    assert image.shape == (3, 2, *shape) and image.dtype == torch.float32
    assert label.shape == (3, *shape) and label.dtype == torch.int64


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("shape", [(96, 64), (40, 48, 36)])
def test_a_sample_is_bit_identical_whatever_it_is_batched_with(name, shape):
    setting = config(name, shape, classes=(2, 6), normalization=("ZScoreNormalization",))
    images, labels = synthesize(setting, seed=3, indices=[5, 0, 9])
    for position, index in enumerate([5, 0, 9]):
        image, label = synthesize(setting, seed=3, indices=[index])
        assert torch.equal(image[0], images[position]) and torch.equal(label[0], labels[position])


@pytest.mark.parametrize("shape", [(129, 131), (40, 56, 40)])
@pytest.mark.parametrize("name", PRESETS)
def test_a_sample_is_bit_identical_whatever_the_thread_count(name, shape):
    setting = config(name, shape, classes=8, normalization=("ZScoreNormalization",))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = synthesize(setting, seed=0, indices=[1])
        torch.set_num_threads(3)
        three = synthesize(setting, seed=0, indices=[1])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(one[0], three[0]) and torch.equal(one[1], three[1])


def test_samples_and_seeds_differ():
    setting = config()
    images, _ = synthesize(setting, seed=0, indices=[0, 1])
    other, _ = synthesize(setting, seed=1, indices=[0])
    assert not torch.equal(images[0], images[1]) and not torch.equal(images[0], other[0])


@pytest.mark.parametrize("shape", [(40, 32), (16, 20, 24)])
def test_without_noise_regions_are_constant(shape):
    setting = config(shape=shape, overrides=QUIET)
    parameters = draw(setting, generator_for(0, 0))
    image, label = render(parameters)
    for k in label.unique():
        values = image[0, 0][label[0] == k]
        assert values.unique().numel() == 1
        assert values[0] == parameters.effects["regions"].mean[0, k]


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("shape", [(40, 32), (16, 20, 24)])
def test_zero_flow_is_exactly_the_identity(name, shape):
    setting = config(name, shape, overrides={"deformation.std": [0, 0, "vox"]})
    parameters = draw(setting, generator_for(0, 0))
    assert all((flow == 0).all() for flow in parameters.flows)
    still = replace(parameters, flows=())
    assert torch.equal(render(parameters)[1], render(still)[1])


def slow_labels(parameters):
    """Labels as the published descriptions have them: full-resolution heat maps and flow, then a warp."""
    shape = parameters.config.shape
    mode = "bilinear" if len(shape) == 2 else "trilinear"

    def upsample(coarse):
        return F.interpolate(coarse, shape, mode=mode, align_corners=True)

    heat = sum(upsample(h[None])[0] for h in parameters.heatmaps)
    flow = sum(upsample(f) for f in parameters.flows) / parameters.config.spacing[0]
    grid = torch.stack(torch.meshgrid(*[torch.arange(n).float() for n in shape], indexing="ij"))
    zeros = parameters.config.priors.deformation.padding == "zeros"
    warped = []
    for k in range(parameters.classes):
        position = grid + flow[k if len(flow) > 1 else 0]
        scale = torch.tensor(shape).reshape(-1, *[1] * len(shape)) - 1
        normal = (2 * position / scale - 1).flip(0).movedim(0, -1)
        warped.append(
            F.grid_sample(
                heat[None, k : k + 1],
                normal[None],
                align_corners=not parameters.config.priors.deformation.half_voxel_drift,
                padding_mode="zeros" if zeros else "border",
            )[0, 0]
        )
    return torch.stack(warped).argmax(0)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("shape", [(64, 64), (32, 32, 32)])
def test_labels_agree_with_a_slow_reference(name, shape):
    # The reference interpolates an interpolated map: it differs in the voxels next to a lattice node only.
    setting = config(name, shape, classes=6)
    for index in range(3):
        parameters = draw(setting, generator_for(0, index))
        _, label = render(parameters)
        assert (label[0] == slow_labels(parameters)).float().mean() > 0.97


def test_structures_are_isotropic_in_mm():
    # 4 mm slices: along the slice axis a boundary is crossed about four times as often per voxel step.
    setting = config(shape=(32, 96, 96), spacing=(4.0, 1.0, 1.0), classes=6)
    _, label = synthesize(setting, seed=0, indices=range(8))
    across = (label[:, 1:] != label[:, :-1]).float().mean()
    within = (label[:, :, 1:] != label[:, :, :-1]).float().mean()
    assert 2.4 < across / within < 5


def test_deformation_moves_labels():
    parameters = draw(config("paper", (64, 64)), generator_for(0, 0))
    assert not torch.equal(render(parameters)[1], render(replace(parameters, flows=()))[1])


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", PRESETS)
def test_statistics_agree_across_devices_in_batches(name, dims):
    """The batched path that a GPU takes, run on the CPU, gives the labels of the single path."""
    from rasd_nnu.pretrain.synthesis.masks import blob_labels

    setting = config(name, (48,) * dims if dims == 2 else (20,) * 3, classes=(3, 6))
    parameters = [draw(setting, generator_for(0, k)) for k in range(4)]
    batched = blob_labels(parameters, 6, torch.device("cpu"))
    for one, own in zip(batched, parameters, strict=True):
        single = blob_labels([own], own.classes, torch.device("cpu"))[0]
        assert (one == single).float().mean() > 0.999


@given(
    name=st.sampled_from(PRESETS),
    dims=st.sampled_from([2, 3]),
    size=st.integers(0, 20),
    classes=st.tuples(st.integers(4, 12), st.integers(0, 8)),
    channels=st.integers(1, 3),
    coarse=st.floats(1, 8),
    scheme=st.sampled_from(["", "ZScoreNormalization", "CTNormalization", "RescaleTo01Normalization"]),
    extras=st.lists(st.sampled_from(["body", "tubes", "inclusions"]), unique=True),
    kind=st.sampled_from(["gaussian", "rician", "speckle", "poisson"]),
    seed=st.integers(0, 2**40),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_valid_config_gives_finite_images_and_labels_in_range(
    name, dims, size, classes, channels, coarse, scheme, extras, kind, seed
):
    setting = config(
        name,
        shape=(32 + size, 33) if dims == 2 else (4 + size, 16, 18),
        classes=(classes[0], sum(classes)),
        channels=channels,
        spacing=(coarse, *[1.0] * (dims - 1)),
        normalization=(scheme,) if scheme else (),
        overrides={
            "noise.kinds": [kind],
            "noise.probability": 1,
            "noise.std": [0.1, 0.3, "1"],
            **{f"{extra}.probability": 1 for extra in extras},
        },
    )
    parameters = draw(setting, generator_for(seed, 0))
    image, label = render(parameters)
    assert torch.isfinite(image).all()
    assert label.min() >= 0 and label.max() < parameters.classes <= setting.max_classes


def test_class_count_is_drawn_from_its_range():
    setting = config(classes=(2, 5))
    counts = {draw(setting, generator_for(0, k)).classes for k in range(60)}
    assert counts == {2, 3, 4, 5}


def test_many_classes_of_a_large_image_are_nearly_all_present():
    _, label = synthesize(config("released", (256, 256), classes=8), seed=0, indices=range(5))
    assert np.mean([one.unique().numel() for one in label]) > 7.5
