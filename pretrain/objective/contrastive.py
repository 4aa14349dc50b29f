"""Supervised contrastive learning across two views of one label map, the way of anatomix.

Dey et al., "Learning General-Purpose Biomedical Volume Representations using Randomized Synthesis", ICLR 2025; the
loss is Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from rasd_nnu.pretrain.objective.prototypes import PrototypeDisentangling, Terms

#: tau of anatomix.
TEMPERATURE = 0.33
#: Voxels of each label map that are compared at each scale, as in anatomix.
VOXELS = 512
#: Width of the projection heads, and length of what is compared.
WIDTH = 256


def supervised_contrastive(embeddings: Tensor, label: Tensor, temperature: float) -> Tensor:
    """Compute the loss of Khosla et al., equation 2, within each sample.

    For an anchor i with positives P(i) of the same class: the mean over p in P(i) of
    ``-log exp(z_i z_p / tau) / sum_{a != i} exp(z_i z_a / tau)``.

    Deviation: an anchor that is alone in its class is left out (the paper's always have a positive).

    Args:
        embeddings: ``(B, N, E)`` on the unit sphere.
        label: ``(B, N)``; classes of different samples are never compared.
        temperature: tau.

    Returns:
        The mean over anchors, then over samples: a scalar of at least float32.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        z = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
        itself = torch.eye(z.shape[1], dtype=torch.bool, device=z.device)
        similarity = (torch.bmm(z, z.transpose(1, 2)) / temperature).masked_fill(itself, -torch.inf)
        positive = (label[:, :, None] == label[:, None, :]) & ~itself
        count = positive.sum(2)
        # `where` before the sum: an anchor's similarity to itself is -inf.
        own = torch.where(positive, similarity, 0.0).sum(2) / count.clamp(min=1)
        each = torch.where(count > 0, similarity.logsumexp(2) - own, 0.0)
        return (each.sum(1) / (count > 0).sum(1).clamp(min=1)).mean()


def decoder_stages(network: nn.Module) -> list[nn.Module]:
    """Return the decoder's stages below full resolution, coarse to fine; none where a network has no such list."""
    stages = getattr(getattr(network, "decoder", None), "stages", None)
    return list(stages)[:-1] if isinstance(stages, nn.ModuleList) else []


@contextmanager
def _outputs_of(modules: Sequence[nn.Module]) -> Iterator[list[Tensor]]:
    """Collect what ``modules`` return; the hooks are gone afterwards, so that no copy of the network has them."""
    outputs: list[Tensor] = []
    hooks = [module.register_forward_hook(lambda _m, _i, output: outputs.append(output)) for module in modules]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _projection(channels: int) -> nn.Sequential:
    """Return a perceptron of three layers over the voxels ``(B, channels, N)`` of each sample.

    Each layer is normalised over the sample's voxels of all views. That is anatomix's batch normalisation, whose
    batch is one pair; here it is the same whatever the batch and the number of processes.
    """
    layers: list[nn.Module] = []
    for width in (channels, WIDTH):
        layers += [nn.Conv1d(width, WIDTH, 1, bias=False), nn.InstanceNorm1d(WIDTH, affine=True), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv1d(WIDTH, WIDTH, 1, bias=False), nn.InstanceNorm1d(WIDTH))


class ContrastiveModule(nn.Module):
    """Network, projection heads and loss in one module.

    At each resolution of the decoder some voxels are drawn, the same ones in every view; their features go
    through a projection head of that resolution, and those of one class are pulled together and away from the others,
    within and across views. The heads are part of the training only, not of the checkpoint's weights.

    Random numbers come from torch's global generator, which the loop seeds anew for each step.

    Args:
        network: Maps ``(B, C, *S)`` to features ``(B, F, *S)``.
        feature_channels: F.
        watched: Gives the terms that are reported beside the loss.
        num_classes: Number of classes that a label may hold.
        temperature: tau.
        voxels: Voxels of each label map that are compared at each scale.
    """

    def __init__(
        self,
        network: nn.Module,
        feature_channels: int,
        watched: PrototypeDisentangling,
        num_classes: int,
        temperature: float = TEMPERATURE,
        voxels: int = VOXELS,
    ) -> None:
        super().__init__()
        self.network, self.watched = network, watched
        self.num_classes, self.temperature, self.voxels = num_classes, temperature, voxels
        channels = [int(stage.output_channels) for stage in decoder_stages(network)]  # type: ignore[arg-type]
        self.heads = nn.ModuleList(_projection(n) for n in [*channels, feature_channels])

    def forward(self, image: Tensor, label: Tensor) -> Terms:
        """Compute the loss of a batch.

        Args:
            image: ``(B, V, C, *S)``, V views of each label map.
            label: ``(B, *S)`` int64.

        Returns:
            ``total`` is the mean of the scales' contrastive losses. The other terms are for watching only: those of
            prototype disentangling for the drawn voxels of the first view at full resolution.
        """
        views = image.shape[1]
        with _outputs_of(decoder_stages(self.network)) as scales:
            finest = self.network(image.flatten(0, 1))
        losses = []
        for features, head in zip([*scales, finest], self.heads, strict=True):
            drawn, classes = draw_voxels(features.unflatten(0, (-1, views)), label, self.voxels)
            embeddings = nn.functional.normalize(head(drawn.flatten(1, 2).transpose(1, 2)).float(), dim=1)
            losses.append(
                supervised_contrastive(embeddings.transpose(1, 2), classes.repeat(1, views), self.temperature)
            )
        with torch.no_grad():
            watched = self.watched(drawn[:, 0].transpose(1, 2).contiguous(), classes, self.num_classes)
        return Terms(torch.stack(losses).mean(), watched.separation, watched.clustering, watched.accuracy)


def draw_voxels(features: Tensor, label: Tensor, voxels: int) -> tuple[Tensor, Tensor]:
    """Draw voxels of each sample, the same ones in every view; all of them where there are no more.

    Args:
        features: ``(B, V, F, *G)``, possibly coarser than the label.
        label: ``(B, *S)``; a coarse voxel has the class at its centre.
        voxels: How many.

    Returns:
        Features ``(B, V, N, F)`` and classes ``(B, N)``.
    """
    samples, views, channels, *grid = features.shape
    total = math.prod(grid)
    if total > voxels:
        position = torch.randint(total, (samples, voxels), device=label.device)
    else:
        position = torch.arange(total, device=label.device).expand(samples, -1)
    index = torch.zeros_like(position)
    for along, coarse, fine in zip(torch.unravel_index(position, tuple(grid)), grid, label.shape[1:], strict=True):
        index = index * fine + (2 * along + 1) * fine // (2 * coarse)
    place = position[:, None, None, :].expand(-1, views, channels, -1)
    return features.flatten(3).gather(3, place).transpose(2, 3), label.flatten(1).gather(1, index)
