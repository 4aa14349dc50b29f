from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rasd_nnu.pretrain.synthesis.lattice import (
    Lattice,
    along_axes,
    linear_matrix,
    thick_slice_matrix,
)
from rasd_nnu.pretrain.synthesis.masks import look_up


def test_a_cube_gets_the_cells_asked_for():
    lattice = Lattice.over((128, 128, 128), (1.0, 1.0, 1.0), 7)
    assert lattice.nodes == (8, 8, 8) and lattice.step == pytest.approx((7 / 127,) * 3)


def test_a_thin_axis_gets_fewer_cells_of_the_same_size():
    lattice = Lattice.over((10, 256, 216), (10.0, 1.4, 1.4), 8)
    assert lattice.nodes == (4, 9, 8)
    assert lattice.step[0] == pytest.approx(10 / lattice.node_distance)


@pytest.mark.parametrize(("voxels", "nodes"), [(32, 5), (33, 9), (7, 2)])
def test_linear_matrix_is_torchs_linear_interpolation(voxels, nodes):
    values = torch.randn(1, 1, nodes)
    expected = F.interpolate(values, voxels, mode="linear", align_corners=True)[0, 0]
    torch.testing.assert_close(linear_matrix(voxels, nodes, (nodes - 1) / (voxels - 1)) @ values[0, 0], expected)


@pytest.mark.parametrize("matrix", [thick_slice_matrix(20, 3.7, 0.4), linear_matrix(20, 4, 3 / 19)])
def test_rows_sum_to_one(matrix):
    torch.testing.assert_close(matrix.sum(1), torch.ones(20))


@pytest.mark.parametrize("matrix", [thick_slice_matrix(9, 1.0, 0.3)])
def test_nothing_to_do_is_exactly_the_identity(matrix):
    assert torch.equal(matrix, torch.eye(9))


def test_whole_slices_average_their_voxels():
    matrix = thick_slice_matrix(8, 4.0, 0.0)
    ramp = torch.arange(8.0)
    centres = matrix @ ramp
    assert float(centres[0]) == pytest.approx(1.5) and float(centres[-1]) == pytest.approx(5.5)
    np.testing.assert_allclose(centres[2:6], [2.0, 3.0, 4.0, 5.0], atol=1e-5)


def test_along_axes_applies_each_matrix_to_its_axis():
    volume = torch.randn(2, 3, 4, 5, 6)
    matrices = [torch.randn(7, 4), torch.randn(8, 5), torch.randn(9, 6)]
    expected = torch.einsum("bcijk,ai,ej,fk->bcaef", volume, *matrices)
    torch.testing.assert_close(along_axes(volume, matrices), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("nodes", [(5, 7), (4, 5, 6)])
def test_look_up_is_linear_interpolation(nodes):
    heat = torch.randn(2, 3, *nodes)
    shape = (2, *[11] * len(nodes))
    positions = [torch.rand(shape) * (n + 1) - 1 for n in nodes]
    scale = torch.tensor([n - 1.0 for n in nodes])
    grid = (2 * torch.stack(positions, -1) / scale - 1).flip(-1)
    expected = F.grid_sample(heat, grid, align_corners=True, padding_mode="border")
    torch.testing.assert_close(look_up(heat, positions, shape), expected, atol=2e-4, rtol=1e-3)
