"""Label maps: warped heat maps, evaluated from their coarse lattices straight at the warped positions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F

from rasd_nnu.pretrain.synthesis.config import SynthesisConfig
from rasd_nnu.pretrain.synthesis.draw import SampleParameters
from rasd_nnu.pretrain.synthesis.lattice import Lattice, along_axes, linear_matrix

#: Voxels worked on at a time on the CPU, so that the intermediate values stay in its cache.
CHUNK_VOXELS = 2**17

#: Value of the heat maps of classes that a sample of a mixed batch does not have.
_ABSENT = -1e9


def sum_scales(parameters: Sequence[SampleParameters], classes: int) -> tuple[torch.Tensor, Lattice]:
    """Sum the heat maps of all scales on the smallest lattice that represents the sum exactly.

    A multilinear function on a lattice of a cells and one of b cells are both multilinear on the lattice of
    lcm(a, b) cells, so that a voxel is looked up once and not once a scale.

    Returns:
        Heat maps ``(B, classes, *G)`` on the CPU, and the lattice.
    """
    config = parameters[0].config
    cells = config.priors.heatmaps.cells
    fine = Lattice.over(config.shape, config.spacing, math.lcm(*cells))
    total = torch.full((len(parameters), classes, *fine.nodes), _ABSENT)
    for sample, own in zip(total, parameters, strict=True):
        sample[: own.classes] = 0
        for scale, heatmap in zip(cells, own.heatmaps, strict=True):
            ratio = scale / math.lcm(*cells)
            matrices = [linear_matrix(n, g, ratio) for n, g in zip(fine.nodes, heatmap.shape[1:], strict=True)]
            sample[: own.classes] += along_axes(heatmap, matrices)
    return total, fine


class Warp:
    """Positions in a lattice at which the voxels of an image look their heat maps up (phi of eq. 1).

    Args:
        parameters: The samples of a batch.
        lattice: Positions come out in its node coordinates.
        classes: Classes of the batch; fields of missing classes are zero.
        device: Where to compute.
    """

    def __init__(
        self, parameters: Sequence[SampleParameters], lattice: Lattice, classes: int, device: torch.device
    ) -> None:
        config = parameters[0].config
        self.shape = config.shape
        self.step = lattice.step
        self.device = device
        prior = config.priors.deformation
        self.fields = classes if prior.per_class else 1
        # With half a voxel of drift, the released code's grid: p -> p n / (n - 1) - 1/2.
        self.stretch = tuple(n / (n - 1) if prior.half_voxel_drift else 1.0 for n in config.shape)
        self.shift = -0.5 if prior.half_voxel_drift else 0.0
        self.flows = self._stack(parameters, config, lattice) if any(p.flows for p in parameters) else []
        lattices = [Lattice.over(config.shape, config.spacing, cells) for cells in prior.cells]
        self.matrices = [
            [
                linear_matrix(n, g, s).to(device, non_blocking=True)
                for n, g, s in zip(config.shape, own.nodes, own.step, strict=True)
            ]
            for own in lattices
        ]
        self.rows = torch.cat([matrices[0] for matrices in self.matrices], dim=1)
        # Positions without displacement, an axis, with an axis for the batch in front.
        self.lines = []
        for axis, (n, stretch, step) in enumerate(zip(self.shape, self.stretch, self.step, strict=True)):
            line = (torch.arange(n, device=device) * stretch + self.shift) * step
            self.lines.append(line.reshape(*[1] * (axis + 1), -1, *[1] * (config.dims - axis - 1)))

    def _stack(
        self, parameters: Sequence[SampleParameters], config: SynthesisConfig, lattice: Lattice
    ) -> list[torch.Tensor]:
        """Stack the samples' fields ``(B, K, d, *G)`` of each scale, in node distances of the heat maps' lattice."""
        units = [s / lattice.node_distance for s in self.stretch]
        unit = torch.tensor(units).reshape(-1, *[1] * config.dims)
        stacked = []
        for scale, cells in enumerate(config.priors.deformation.cells):
            own = Lattice.over(config.shape, config.spacing, cells)
            flow = torch.zeros(len(parameters), self.fields, config.dims, *own.nodes)
            for sample, p in zip(flow, parameters, strict=True):
                if p.flows:
                    sample[: len(p.flows[scale])] = p.flows[scale]
            stacked.append((flow * unit).to(self.device, non_blocking=True))
        return stacked

    def planes(self, field: int) -> torch.Tensor | None:
        """Upsample one field along all axes but the first, which is left to `positions`.

        Returns:
            ``(B, d, sum of the scales' nodes along the first axis, voxels of a plane)``, or None without a flow.
        """
        if not self.flows:
            return None
        return torch.cat(
            [
                along_axes(flow[:, field], matrices[1:]).flatten(3)
                for flow, matrices in zip(self.flows, self.matrices, strict=True)
            ],
            dim=2,
        )

    def positions(self, planes: torch.Tensor | None, begin: int, end: int) -> list[torch.Tensor]:
        """Return the positions of rows ``begin`` to ``end`` of the first axis under one displacement field.

        Args:
            planes: The field, from `planes`.
            begin: First row.
            end: One after the last row.

        Returns:
            For each axis a tensor that broadcasts to ``(B, end - begin, *S[1:])``, in node coordinates.
        """
        axes = len(self.shape)
        base = [self.lines[0][:, begin:end], *self.lines[1:]]
        if planes is None:
            return base
        flow = (self.rows[begin:end] @ planes).reshape(len(planes), axes, end - begin, *self.shape[1:])
        return [flow[:, axis] + line for axis, line in enumerate(base)]

    def inside(self, positions: list[torch.Tensor]) -> torch.Tensor:
        """Return how much of a voxel at ``positions`` lies in the image: 1, falling to 0 over a voxel outside."""
        weight = None
        for position, step, n in zip(positions, self.step, self.shape, strict=True):
            voxel = position / step
            own = torch.minimum(voxel + 1, n - voxel).clamp_(0, 1)
            weight = own if weight is None else weight * own
        assert weight is not None
        return weight


def look_up(heatmaps: torch.Tensor, positions: list[torch.Tensor], shape: tuple[int, ...]) -> torch.Tensor:
    """Interpolate heat maps linearly at given positions; positions outside take the nearest border value.

    Args:
        heatmaps: ``(B, C, *G)``.
        positions: For each axis a tensor that broadcasts to ``shape``, in node coordinates.
        shape: ``(B, *N)``.

    Returns:
        ``(B, C, *N)``.
    """
    nodes = heatmaps.shape[2:]
    if len(nodes) == 2:
        grid = torch.stack(
            [(p * (2 / (n - 1)) - 1).expand(shape) for p, n in zip(positions[::-1], nodes[::-1], strict=True)], -1
        )
        return F.grid_sample(heatmaps, grid, align_corners=True, padding_mode="border")
    # In 3D, torch's bilinear sampler is vectorised on the CPU and its trilinear one is not, by a factor of ten.
    # So the planes of the volume are laid below each other, and two neighbouring planes are sampled at once.
    z = positions[0].clamp(0, nodes[0] - 1)
    plane = z.floor().clamp_(max=nodes[0] - 2)
    row = positions[1].clamp(0, nodes[1] - 1) + plane * nodes[1]
    atlas = torch.cat([heatmaps[:, :, :-1], heatmaps[:, :, 1:]], dim=1).flatten(2, 3)
    column = positions[2] * (2 / (nodes[2] - 1)) - 1
    grid = torch.stack([column.expand(shape), (row * (2 / (atlas.shape[2] - 1)) - 1).expand(shape)], dim=-1)
    sampled = F.grid_sample(atlas, grid.flatten(1, 2), align_corners=True, padding_mode="border")
    lower, upper = sampled.unflatten(2, shape[1:3]).chunk(2, dim=1)
    return torch.lerp(lower, upper, (z - plane).expand(shape).unsqueeze(1))


def blob_labels(parameters: Sequence[SampleParameters], classes: int, device: torch.device) -> torch.Tensor:
    """Return the label maps: at each voxel the class whose warped heat map is largest.

    Args:
        parameters: Samples of one configuration.
        classes: Largest number of classes of them.
        device: Where to compute.

    Returns:
        ``(B, *S)`` uint8.
    """
    config = parameters[0].config
    heatmaps, lattice = sum_scales(parameters, classes)
    heatmaps = heatmaps.to(device, non_blocking=True)
    warp = Warp(parameters, lattice, classes, device)
    labels = torch.zeros((len(parameters), *config.shape), dtype=torch.uint8, device=device)
    best = torch.full(labels.shape, -torch.inf, device=device)
    zeros = config.priors.deformation.padding == "zeros"
    # Field by field, so that only one field's planes exist, and are in the cache, at a time.
    for field in range(warp.fields):
        planes = warp.planes(field)
        moved = heatmaps if warp.fields == 1 else heatmaps[:, field : field + 1]
        for begin, end in _chunks(config.shape, device):
            positions = warp.positions(planes, begin, end)
            values = look_up(moved, positions, (len(parameters), end - begin, *config.shape[1:]))
            if zeros:
                values *= warp.inside(positions).unsqueeze(1)
            _keep_largest(labels[:, begin:end], best[:, begin:end], values, field)
    return labels


def _keep_largest(labels: torch.Tensor, best: torch.Tensor, values: torch.Tensor, first: int) -> None:
    """Where ``values`` ``(B, C, *N)`` exceed ``best``, replace it and set the label, ``first`` for channel 0."""
    for offset in range(values.shape[1]):
        value = values[:, offset]
        labels.masked_fill_(value > best, first + offset)
        torch.maximum(best, value, out=best)


def _chunks(shape: tuple[int, ...], device: torch.device) -> Iterator[tuple[int, int]]:
    rows = shape[0] if device.type != "cpu" else max(1, CHUNK_VOXELS // math.prod(shape[1:]))
    for begin in range(0, shape[0], rows):
        yield begin, min(begin + rows, shape[0])
