"""New appearances of real images."""

from __future__ import annotations

import pytest
import torch

from rasd_nnu.errors import ConfigError
from rasd_nnu.pretrain.synthesis.curves import look_up_curve, random_curves
from rasd_nnu.pretrain.synthesis.regions import RegionsConfig
from rasd_nnu.pretrain.synthesis.renew import RenewConfig, render_regions, renew

KINDS = ("curve", "shift", "random", "convolution")


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _batch(shape: tuple[int, ...] = (32, 40), channels: int = 1, batch: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    label = torch.zeros((batch, *shape), dtype=torch.int64)
    label[(slice(None), *[slice(4, 12)] * len(shape))] = 1
    image = torch.randn((batch, channels, *shape), generator=_seeded(5)) + 3 * label[:, None]
    return image, label


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "channels"), [((32, 40), 1), ((32, 40), 3), ((12, 16, 8), 2)])
def test_all_images_change_and_keep_their_moments(kind: str, shape: tuple[int, ...], channels: int) -> None:
    image, label = _batch(shape, channels)
    before = image.clone(), label.clone()
    new = renew(image, label, RenewConfig(kind=kind, share=1), _seeded())
    assert torch.equal(image, before[0]) and torch.equal(label, before[1])
    assert new.shape == image.shape and new.dtype == image.dtype and torch.isfinite(new).all()
    axes = tuple(range(2, image.ndim))
    assert ((new - image).abs().amax(axes) > 1e-4).all()
    torch.testing.assert_close(new.mean(axes), image.mean(axes), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(new.std(axes), image.std(axes), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_share_0_is_the_identity_and_draws_nothing(kind: str) -> None:
    image, label = _batch()
    generator = _seeded()
    assert renew(image, label, RenewConfig(kind=kind, share=0), generator) is image
    assert renew(image, label, RenewConfig(kind=kind), generator, share=0.0) is image
    assert torch.equal(generator.get_state(), _seeded().get_state())


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides(kind: str) -> None:
    image, label = _batch()
    config = RenewConfig(kind=kind, share=1)
    first, again, other = (renew(image, label, config, _seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_share_is_the_share() -> None:
    image, label = _batch(batch=400, shape=(32, 32))
    changed = (renew(image, label, RenewConfig(share=0.3), _seeded()) != image).flatten(1).any(1)
    assert 0.22 < changed.float().mean() < 0.38


def test_a_range_is_kept() -> None:
    """For CT, values stay within the window that they were clipped to."""
    image, label = _batch()
    image = image.clamp(-1, 2)
    for kind in KINDS:
        new = renew(image, label, RenewConfig(kind=kind, share=1, keep="range"), _seeded())
        assert new.amin() >= -1 - 1e-4 and new.amax() <= 2 + 1e-4


def test_a_curve_keeps_equal_what_is_equal() -> None:
    image, label = _batch(batch=1)
    image = image.round()
    new = renew(image, label, RenewConfig(kind="curve", share=1), _seeded())
    for value in image.unique():
        assert new[image == value].std() < 1e-5 or (image == value).sum() == 1


def test_curves_rise_fall_or_wave() -> None:
    rising = random_curves(50, rising=1, inverted=0, generator=_seeded())
    assert (rising.diff(dim=1) >= 0).all() and (rising[:, 0] == 0).all() and (rising[:, -1] > 0.999).all()
    falling = random_curves(50, rising=1, inverted=1, generator=_seeded())
    torch.testing.assert_close(falling, 1 - rising)
    waves = random_curves(50, rising=0, inverted=0, generator=_seeded())
    assert ((waves.diff(dim=1) > 1e-4).any(1) & (waves.diff(dim=1) < -1e-4).any(1)).float().mean() > 0.5
    assert waves.min() >= 0 and waves.max() <= 1 and waves.diff(dim=1).abs().max() < 0.1
    straight = torch.linspace(0, 1, 256)[None]
    values = torch.rand(1, 100, generator=_seeded())
    torch.testing.assert_close(look_up_curve(straight, values), values)


def test_a_shift_keeps_the_texture_of_each_region() -> None:
    image, label = _batch(batch=1)
    regions = RegionsConfig(kinds=("fields",), clean=0)
    new = renew(image, label, RenewConfig(kind="shift", share=1, regions=regions), _seeded())
    old, made = image[0, 0][label[0] == 1], new[0, 0][label[0] == 1]
    assert torch.corrcoef(torch.stack([old, made]))[0, 1] > 0.999


def test_random_appearance_leaves_nothing_but_the_regions() -> None:
    image, label = _batch((64, 64), batch=8)
    image = torch.randn(image.shape, generator=_seeded(8))
    config = RenewConfig(kind="random", share=1, regions=RegionsConfig(kinds=("fields",)))
    new = renew(image, label, config, _seeded())
    for old, made in zip(image[:, 0], new[:, 0], strict=True):
        assert torch.corrcoef(torch.stack([old.flatten(), made.flatten()]))[0, 1].abs() < 0.1


def test_a_blend_lies_between() -> None:
    image, label = _batch()
    assert torch.allclose(
        renew(image, label, RenewConfig(kind="random", share=1, blend=(0, 0)), _seeded()), image, atol=1e-4
    )
    half = renew(image, label, RenewConfig(kind="random", share=1, blend=(0.5, 0.5)), _seeded())
    full = renew(image, label, RenewConfig(kind="random", share=1), _seeded())
    assert (half - image).abs().mean() < (full - image).abs().mean()


def test_what_is_alike_stays_alike() -> None:
    """Two regions of one intensity get nearly one mean; independent means would tell them apart."""
    image = torch.zeros(16, 1, 32, 32)
    image[..., 16:] = 1
    parts = torch.zeros(16, 32, 32, dtype=torch.int64)
    parts[:, :16, :16], parts[:, 16:, :16], parts[:, :, 16:] = 0, 1, 2

    def gap(alike: float) -> float:
        new = render_regions(image, parts, RenewConfig(kind="random", alike=alike, jitter=0.01), _seeded())
        return float(
            (new[parts[:, None] == 0].reshape(16, -1).mean(1) - new[parts[:, None] == 1].reshape(16, -1).mean(1))
            .abs()
            .mean()
        )

    assert gap(1) < 0.5 * gap(0)


def test_the_schedule_waits_and_falls_to_0() -> None:
    late = RenewConfig(share=0.5, begin=0.3, end=0.85, falling=True)
    assert [late.share_at(p) for p in (0, 0.29, 0.3, 0.575, 0.85, 1)] == pytest.approx([0, 0, 0.5, 0.25, 0, 0])
    steady = RenewConfig(share=0.5)
    assert [steady.share_at(p) for p in (0, 0.5, 0.99)] == [0.5] * 3


def test_more_regions_than_the_engine_has_classes() -> None:
    image = torch.randn(1, 1, 32, 32, generator=_seeded())
    parts = torch.arange(1024).reshape(1, 32, 32)
    assert torch.isfinite(render_regions(image, parts, RenewConfig(kind="random"), _seeded())).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kind": "curves"}, "kind"),
        ({"begin": 0.9, "end": 0.9}, "expected begin below end"),
        ({"blend": (0, 2)}, "expected blend up to 1"),
        ({"contrast": (2, 1)}, "expected contrast from low to high"),
        ({"shares": 1}, "Did you mean 'share'"),
        ({"regions": {"parts": [1, 3]}}, "parts"),
    ],
)
def test_bad_settings_are_one_line(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        RenewConfig(**wrong)
    assert "\n" not in str(caught.value)
