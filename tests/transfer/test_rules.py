"""Each rule keeps the function wherever the two shapes can compute the same."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from rasd_nnu.transfer.rules import MisfitError, fit

GENERATOR = torch.Generator().manual_seed(0)


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=GENERATOR, dtype=torch.float64)


def _constant_along_z() -> torch.Tensor:
    return _random(1, 3, 1, 8, 8).expand(-1, -1, 9, -1, -1).contiguous()


def test_equal_shape_is_the_tensor_itself() -> None:
    value = _random(4, 3, 3, 3, 3)
    fitted = fit(value, tuple(value.shape))
    assert fitted.value is value
    assert fitted.rules == ()


@pytest.mark.parametrize("channels", [2, 3, 5])
@pytest.mark.parametrize("before", [1, 3])
def test_equal_channels_give_the_features_of_one(before: int, channels: int) -> None:
    kernel, image = _random(4, before, 3, 3), _random(1, 1, 8, 8)
    fitted = fit(kernel, (4, channels, 3, 3), stem=True)
    old = F.conv2d(image.expand(-1, before, -1, -1), kernel)
    new = F.conv2d(image.expand(-1, channels, -1, -1), fitted.value)
    torch.testing.assert_close(new, old)
    if before != channels:
        assert fitted.rules == (f"input channels {before} -> {channels}",)


def test_channels_inside_the_network_are_not_spread() -> None:
    with pytest.raises(MisfitError, match=r"width \[4, 1\] in the checkpoint against \[4, 3\]"):
        fit(_random(4, 1, 3, 3), (4, 3, 3, 3))


def test_collapsed_axis_keeps_the_response_to_a_constant_along_it() -> None:
    kernel, image = _random(4, 3, 3, 3, 3), _constant_along_z()
    fitted = fit(kernel, (4, 3, 1, 3, 3))
    assert fitted.rules == ("kernel axis 0: 3 -> 1",)
    old, new = F.conv3d(image, kernel), F.conv3d(image, fitted.value)
    torch.testing.assert_close(new[:, :, 1:-1], old)


def test_expanded_axis_keeps_the_response_to_anything() -> None:
    kernel, image = _random(4, 3, 1, 3, 3), _random(1, 3, 5, 8, 8)
    fitted = fit(kernel, (4, 3, 3, 3, 3))
    torch.testing.assert_close(F.conv3d(image, fitted.value, padding=(1, 0, 0)), F.conv3d(image, kernel))


def test_transposed_stride_two_to_one_gives_the_mean_of_the_copies() -> None:
    kernel, image = _random(3, 4, 2, 2, 2), _constant_along_z()
    fitted = fit(kernel, (3, 4, 1, 2, 2), transposed=True)
    old = F.conv_transpose3d(image, kernel, stride=2)
    new = F.conv_transpose3d(image, fitted.value, stride=(1, 2, 2))
    torch.testing.assert_close(new, old.unflatten(2, (-1, 2)).mean(3))


def test_transposed_stride_one_to_two_repeats() -> None:
    kernel, image = _random(3, 4, 1, 2, 2), _random(1, 3, 5, 4, 4)
    fitted = fit(kernel, (3, 4, 2, 2, 2), transposed=True)
    old = F.conv_transpose3d(image, kernel, stride=(1, 2, 2))
    torch.testing.assert_close(F.conv_transpose3d(image, fitted.value, stride=2), old.repeat_interleave(2, 2))


@pytest.mark.parametrize("how", ["centre", "mean"])
def test_2d_kernel_on_a_volume_constant_along_z(how: str) -> None:
    kernel, image = _random(4, 3, 3, 3), _constant_along_z()
    fitted = fit(kernel, (4, 3, 3, 3, 3), inflate=how)  # type: ignore[arg-type]
    old = F.conv2d(image[:, :, 0], kernel)
    new = F.conv3d(image, fitted.value)
    torch.testing.assert_close(new, old[:, :, None].expand_as(new))


def test_2d_is_not_inflated_unasked() -> None:
    with pytest.raises(MisfitError, match="a 2D kernel in the checkpoint against 3D"):
        fit(_random(4, 3, 3, 3), (4, 3, 3, 3, 3))


@pytest.mark.parametrize(
    ("shape", "transposed", "message"),
    [
        ((4, 3, 5, 5), False, "kernel size 3 in the checkpoint against 5 along axis 0"),
        ((4, 3, 2, 2), True, "stride 3 in the checkpoint against 2 along axis 0"),
        ((8, 3, 3, 3), False, r"width \[4, 3\] in the checkpoint against \[8, 3\]"),
    ],
)
def test_what_no_rule_fits_is_said(shape: tuple[int, ...], transposed: bool, message: str) -> None:
    with pytest.raises(MisfitError, match=message):
        fit(_random(4, 3, 3, 3), shape, transposed=transposed)


def test_vectors_of_other_length_do_not_fit() -> None:
    with pytest.raises(MisfitError, match=r"width \[4\] in the checkpoint against \[8\]"):
        fit(_random(4), (8,))
