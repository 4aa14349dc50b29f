"""Regions of real images."""

from __future__ import annotations

import pytest
import torch

from rasd_nnu.errors import ConfigError
from rasd_nnu.pretrain.synthesis.regions import RegionsConfig, regions


def _seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _image(shape: tuple[int, ...], channels: int = 1, batch: int = 2) -> torch.Tensor:
    """Four bands of different intensity along the first axis, with a little noise."""
    bands = (torch.arange(shape[0]) * 4 // shape[0]).float().reshape(-1, *[1] * (len(shape) - 1)).expand(shape)
    noise = 0.05 * torch.randn((batch, channels, *shape), generator=_seeded(9))
    return bands + noise


def _label(shape: tuple[int, ...], batch: int = 2) -> torch.Tensor:
    label = torch.zeros((batch, *shape), dtype=torch.int64)
    label[(slice(None), *[slice(4, 12)] * len(shape))] = 1
    label[(slice(None), *[slice(6, 9)] * len(shape))] = 2
    return label


@pytest.mark.parametrize("kind", ["intensity", "clusters", "fields"])
@pytest.mark.parametrize(("shape", "channels"), [((32, 40), 1), ((32, 40), 3), ((16, 20, 12), 1)])
def test_targets_are_regions_of_their_own(kind: str, shape: tuple[int, ...], channels: int) -> None:
    label = _label(shape)
    found = regions(_image(shape, channels), label, RegionsConfig(kinds=(kind,)), _seeded())
    assert found.shape == label.shape and found.dtype == torch.int64
    for target in (1, 2):
        inside = found[label == target].unique()
        assert len(inside) == 1 and not (found[label != target] == inside).any()
    rest = found[label == 0].unique()
    assert 2 <= len(rest) <= 8
    assert found.unique().tolist() == list(range(int(found.max()) + 1))


@pytest.mark.parametrize("kind", ["intensity", "clusters"])
def test_bands_of_intensity_are_found(kind: str) -> None:
    config = RegionsConfig(kinds=(kind,), parts=(8, 8), quantile=0, blur=(0, 0), clean=0)
    found = regions(_image((32, 32), batch=1), torch.zeros(1, 32, 32, dtype=torch.int64), config, _seeded())[0]
    bands = [set(found[8 * band : 8 * band + 8].unique().tolist()) for band in range(4)]
    far = 1 if kind == "intensity" else 2  # centres start at random: two neighbouring bands may share one
    assert all(not a & b for i, a in enumerate(bands) for b in bands[i + far :])


def test_merged_targets_leave_no_boundary_and_divided_ones_have_parts() -> None:
    image, label = _image((32, 40)), _label((32, 40))
    plain = regions(image, label * 0, RegionsConfig(), _seeded())
    assert torch.equal(regions(image, label, RegionsConfig(merge=1), _seeded()), plain)
    divided = regions(image, label, RegionsConfig(divide=1, kinds=("intensity",), parts=(8, 8), clean=0), _seeded())
    assert len(divided[label == 1].unique()) > 1
    assert not set(divided[label == 1].unique().tolist()) & set(divided[label == 0].unique().tolist())


def test_the_seed_decides_and_batches_are_divided_image_by_image() -> None:
    image, label = _image((32, 40)).repeat(4, 1, 1, 1), _label((32, 40), batch=8)
    first, again, other = (regions(image, label, RegionsConfig(), _seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not all(torch.equal(first[0], own) for own in first[1:])


def test_specks_are_removed() -> None:
    noise, label = torch.randn(1, 1, 64, 64, generator=_seeded(3)), torch.zeros(1, 64, 64, dtype=torch.int64)

    def boundaries(clean: int) -> int:
        config = RegionsConfig(kinds=("intensity",), parts=(4, 4), blur=(0.5, 0.5), clean=clean)
        found = regions(noise, label, config, _seeded())
        return int((found.diff(dim=1) != 0).sum() + (found.diff(dim=2) != 0).sum())

    assert boundaries(2) < 0.8 * boundaries(0)


def test_a_coarse_axis_is_left_alone() -> None:
    """With thick slices, nothing is averaged across them."""
    image = torch.zeros(1, 1, 8, 16, 16)
    image[:, :, ::2] = 1
    config = RegionsConfig(kinds=("intensity",), parts=(2, 2), quantile=0, blur=(1, 1))
    label = torch.zeros(1, 8, 16, 16, dtype=torch.int64)
    found = regions(image, label, config, _seeded(), spacing=(8.0, 1.0, 1.0))
    assert (found[0, ::2] == found[0, 0, 0, 0]).all() and (found[0, 1::2] == found[0, 1, 0, 0]).all()
    assert found[0, 0, 0, 0] != found[0, 1, 0, 0]


def test_products_intersect() -> None:
    image, label = _image((32, 40), batch=1), torch.zeros(1, 32, 40, dtype=torch.int64)
    counts = [
        len(regions(image, label, RegionsConfig(product=product, clean=0), _seeded()).unique()) for product in (0, 1)
    ]
    assert counts[1] > counts[0]


def test_a_padded_label_and_a_constant_image_are_no_trouble() -> None:
    label = torch.full((1, 32, 32), -1)
    found = regions(torch.zeros(1, 1, 32, 32), label, RegionsConfig(kinds=("intensity", "clusters")), _seeded())
    assert found.unique().tolist() == [0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"kinds": ()}, "kinds"),
        ({"parts": (5, 3)}, "expected parts from low to high"),
        ({"merge": 2}, "merge"),
        ({"mergee": 0.5}, "Did you mean 'merge'"),
    ],
)
def test_bad_settings_are_one_line(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        RegionsConfig(**wrong)
    assert "\n" not in str(caught.value)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"labels are \(1, 32, 33\), expected \(1, 32, 32\)"):
        regions(torch.zeros(1, 1, 32, 32), torch.zeros(1, 32, 33), RegionsConfig(), _seeded())
