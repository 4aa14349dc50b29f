"""Each rule keeps the function wherever the two shapes can compute the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from rasd_nnu.transfer.kernels import MisfitError, Role
from rasd_nnu.transfer.rules import Adaptation, Fitted, fit

GENERATOR = torch.Generator().manual_seed(0)


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=GENERATOR, dtype=torch.float64)


def _fit(value: torch.Tensor, shape: tuple[int, ...], role: Role = "other", **how: Any) -> Fitted:
    fitted = fit(value, _random(*shape), role, Adaptation(**how))
    assert fitted.value.shape == shape
    return fitted


def _constant_along_z() -> torch.Tensor:
    return _random(1, 3, 1, 8, 8).expand(-1, -1, 9, -1, -1).contiguous()


def test_equal_shape_is_the_tensor_itself() -> None:
    value = _random(4, 3, 3, 3, 3)
    fitted = _fit(value, (4, 3, 3, 3, 3))
    assert fitted.value is value
    assert fitted.rules == ()


@pytest.mark.parametrize("channels", [2, 3, 5])
@pytest.mark.parametrize("before", [1, 3])
def test_equal_channels_give_the_features_of_one(before: int, channels: int) -> None:
    kernel, image = _random(4, before, 3, 3), _random(1, 1, 8, 8)
    fitted = _fit(kernel, (4, channels, 3, 3), "image")
    old = F.conv2d(image.expand(-1, before, -1, -1), kernel)
    new = F.conv2d(image.expand(-1, channels, -1, -1), fitted.value)
    torch.testing.assert_close(new, old)
    if before != channels:
        assert fitted.rules == (f"input channels {before} -> {channels}: their sum, 1/{channels} for each",)


def test_mapped_channels_keep_their_kernels_and_new_ones_start_at_zero() -> None:
    kernel, image = _random(4, 2, 3, 3), _random(1, 3, 8, 8)
    fitted = _fit(kernel, (4, 3, 3, 3), "image", channels=(1, None, 0))
    assert fitted.rules == ("input channels taken from 1, new, 0",)
    torch.testing.assert_close(F.conv2d(image, fitted.value), F.conv2d(image[:, [2, 0]], kernel))
    swapped = _fit(kernel, (4, 2, 3, 3), "image", channels=(1, 0))
    assert torch.equal(swapped.value, kernel[:, [1, 0]])
    with pytest.raises(MisfitError, match="a map of 2 input channels, 2 in the checkpoint, 3 here"):
        _fit(kernel, (4, 3, 3, 3), "image", channels=(0, 1))


def test_channels_inside_the_network_are_not_spread() -> None:
    with pytest.raises(MisfitError, match=r"width \[4, 1\] in the checkpoint against \[4, 3\]"):
        _fit(_random(4, 1, 3, 3), (4, 3, 3, 3))


def test_collapsed_axis_keeps_the_response_to_a_constant_along_it() -> None:
    kernel, image = _random(4, 3, 3, 3, 3), _constant_along_z()
    fitted = _fit(kernel, (4, 3, 1, 3, 3))
    assert fitted.rules == ("kernel axis 0: 3 -> 1",)
    old, new = F.conv3d(image, kernel), F.conv3d(image, fitted.value)
    torch.testing.assert_close(new[:, :, 1:-1], old)


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 5), (1, 5)])
def test_expanded_axis_keeps_the_response_to_anything(before: int, after: int) -> None:
    kernel, image = _random(4, 3, before, 3, 3), _random(1, 3, 5, 8, 8)
    fitted = _fit(kernel, (4, 3, after, 3, 3))
    old = F.conv3d(image, kernel, padding=(before // 2, 0, 0))
    torch.testing.assert_close(F.conv3d(image, fitted.value, padding=(after // 2, 0, 0)), old)


@pytest.mark.parametrize(("before", "after"), [(2, 1), (4, 2)])
def test_smaller_transposed_stride_gives_the_mean_of_the_copies(before: int, after: int) -> None:
    kernel, image = _random(3, 4, before, 2, 2), _constant_along_z()
    fitted = _fit(kernel, (3, 4, after, 2, 2), "transposed")
    assert fitted.rules == (f"stride along axis 0: {before} -> {after}",)
    old = F.conv_transpose3d(image, kernel, stride=(before, 2, 2))
    new = F.conv_transpose3d(image, fitted.value, stride=(after, 2, 2))
    torch.testing.assert_close(new, old.unflatten(2, (-1, before // after)).mean(3))


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 4), (1, 3)])
def test_larger_transposed_stride_repeats(before: int, after: int) -> None:
    kernel, image = _random(3, 4, before, 2, 2), _random(1, 3, 5, 4, 4)
    fitted = _fit(kernel, (3, 4, after, 2, 2), "transposed")
    old = F.conv_transpose3d(image, kernel, stride=(before, 2, 2))
    new = F.conv_transpose3d(image, fitted.value, stride=(after, 2, 2))
    torch.testing.assert_close(new, old.repeat_interleave(after // before, 2))


def test_transposed_stride_that_does_not_divide_keeps_the_mean() -> None:
    kernel = _random(3, 4, 3, 2, 2)
    fitted = _fit(kernel, (3, 4, 2, 2, 2), "transposed")
    torch.testing.assert_close(fitted.value.mean(2), kernel.mean(2))
    torch.testing.assert_close(fitted.value[:, :, 0], (2 * kernel[:, :, 0] + kernel[:, :, 1]) / 3)


@pytest.mark.parametrize("how", ["centre", "mean"])
def test_2d_kernel_on_a_volume_constant_along_z(how: str) -> None:
    kernel, image = _random(4, 3, 3, 3), _constant_along_z()
    fitted = _fit(kernel, (4, 3, 3, 3, 3), inflate=how)
    old = F.conv2d(image[:, :, 0], kernel)
    new = F.conv3d(image, fitted.value)
    torch.testing.assert_close(new, old[:, :, None].expand_as(new))


def test_2d_is_not_inflated_unasked() -> None:
    with pytest.raises(MisfitError, match="a 2D kernel in the checkpoint against 3D"):
        _fit(_random(4, 3, 3, 3), (4, 3, 3, 3, 3))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 3, 1, 2), "kernel size 3 in the checkpoint against 2 along axis 1"),
        ((8, 3, 3, 3), r"width \[4, 3\] in the checkpoint against \[8, 3\]"),
        ((4, 3), r"shape \[4, 3, 3, 3\] in the checkpoint against \[4, 3\]: other dimensions"),
    ],
)
def test_what_no_rule_fits_is_said(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(MisfitError, match=message):
        _fit(_random(4, 3, 3, 3), shape)


def test_vectors_of_other_length_do_not_fit() -> None:
    with pytest.raises(MisfitError, match=r"width \[4\] in the checkpoint against \[8\]"):
        _fit(_random(4), (8,))


def test_padded_width_keeps_what_the_carried_channels_compute() -> None:
    first, second, image = _random(4, 1, 3, 3), _random(2, 4, 3, 3), _random(1, 1, 8, 8)
    wide_first = _fit(first, (6, 1, 3, 3), "image", width="pad")
    wide_second = _fit(second, (5, 6, 3, 3), width="pad")
    assert wide_second.rules == ("width [2, 4] in the checkpoint against [5, 6]: pad",)
    old = F.conv2d(F.conv2d(image, first), second)
    new = F.conv2d(F.conv2d(image, wide_first.value), wide_second.value)
    torch.testing.assert_close(new[:, :2], old)
    assert wide_second.value[2:].abs().min() > 0  # the new channels are random, so that they learn


def test_padded_decoder_keeps_upsampled_features_and_skip_apart() -> None:
    kernel, up, skip = _random(4, 4, 3, 3), _random(1, 3, 8, 8), _random(1, 3, 8, 8)
    fitted = _fit(kernel, (6, 6, 3, 3), "concatenated", width="pad")
    old = F.conv2d(torch.cat([up[:, :2], skip[:, :2]], 1), kernel)
    torch.testing.assert_close(F.conv2d(torch.cat([up, skip], 1), fitted.value)[:, :4], old)


def test_padded_transposed_kernel() -> None:
    kernel, image = _random(2, 3, 2, 2), _random(1, 5, 4, 4)
    fitted = _fit(kernel, (5, 6, 2, 2), "transposed", width="pad")
    old = F.conv_transpose2d(image[:, :2], kernel, stride=2)
    torch.testing.assert_close(F.conv_transpose2d(image, fitted.value, stride=2)[:, :3], old)


def test_cropped_width_keeps_the_first_channels() -> None:
    kernel, norm = _random(6, 4, 3, 3), _random(6)
    assert torch.equal(_fit(kernel, (3, 2, 3, 3), width="crop").value, kernel[:3, :2])
    assert torch.equal(_fit(norm, (3,), width="crop").value, norm[:3])
    with pytest.raises(MisfitError, match="which crop cannot fix"):
        _fit(kernel, (8, 4, 3, 3), width="crop")
    with pytest.raises(MisfitError, match="which pad cannot fix"):
        _fit(kernel, (8, 2, 3, 3), width="pad")


@pytest.mark.parametrize("size", [1, 2, 4, 16])
def test_patch_kernel_of_other_size_keeps_the_response_to_a_constant(size: int) -> None:
    kernel = _random(5, 1, 8, 8, 8)
    fitted = _fit(kernel, (5, 1, size, 8, 8), "patch")
    assert fitted.rules == (f"kernel axis 0: 8 -> {size}",)
    torch.testing.assert_close(fitted.value.sum((2, 3, 4)), kernel.sum((2, 3, 4)))


def test_positions_are_interpolated_and_registers_kept() -> None:
    ramp = torch.linspace(0, 1, 4, dtype=torch.float64)[:, None, None, None].expand(4, 2, 2, 3).reshape(1, 16, 3)
    value = torch.cat([torch.full((1, 1, 3), 9.0, dtype=torch.float64), ramp], 1)
    fitted = _fit(value, (1, 1 + 8 * 2 * 2, 3), "positions", grids=((4, 2, 2), (8, 2, 2)))
    assert fitted.rules == ("positions interpolated, grid 4x2x2 -> 8x2x2",)
    assert (fitted.value[:, 0] == 9).all()
    line = fitted.value[0, 1:].reshape(8, 2, 2, 3)[1:-1, 0, 0, 0]
    torch.testing.assert_close(line.diff(), torch.full((5,), 1 / 6, dtype=torch.float64), atol=1e-6, rtol=0)
    with pytest.raises(MisfitError, match="17 positions in the checkpoint against 32"):
        _fit(value, (1, 32, 3), "positions", grids=((4, 2, 2), (8, 2, 2)))


def test_window_offsets_are_interpolated_about_offset_zero() -> None:
    axis = torch.linspace(-1, 1, 13, dtype=torch.float64)
    table = axis[:, None, None, None].expand(13, 13, 13, 2).reshape(-1, 2)
    fitted = _fit(table, (7**3, 2), "offsets")
    assert fitted.rules == ("window offsets interpolated, 2197 -> 343",)
    expected = torch.linspace(-1, 1, 7, dtype=torch.float64)
    torch.testing.assert_close(fitted.value.reshape(7, 7, 7, 2)[:, 3, 3, 0], expected, atol=1e-6, rtol=0)
    with pytest.raises(MisfitError, match="2197 window offsets in the checkpoint against 169"):
        _fit(table, (13**2, 2), "offsets")
