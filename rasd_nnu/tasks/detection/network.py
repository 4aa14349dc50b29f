"""MONAI's RetinaNet, whose feature pyramid is the decoder of the planned U-Net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.apps.detection.networks.retinanet_network import RetinaNet
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape
from monai.losses.giou_loss import BoxGIoULoss
from torch import Tensor, nn

from rasd_nnu.errors import PlansError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget

#: Stride of the finest level along its coarsest axis; finer decoder levels, which would cost most, are left out.
FINEST_STRIDE = 4
#: Most levels of the pyramid.
MOST_LEVELS = 4
#: Least channels of the pyramid and the heads.
LEAST_WIDTH = 32


class DecoderPyramid(nn.Module):
    """Levels of a planned U-Net's decoder, the bottleneck included, each brought to one width.

    That is the planned width of the finest level, rounded up to a multiple of 8 (the heads normalise in 8 groups), and
    at least `LEAST_WIDTH`.

    Args:
        network: The planned network.

    Raises:
        PlansError: If the network has no decoder of nnU-Net's kind.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        encoder: Any = getattr(network, "encoder", None)
        decoder: Any = getattr(network, "decoder", None)
        if not hasattr(encoder, "output_channels") or not hasattr(decoder, "transpconvs"):
            raise PlansError(
                f"{type(network).__name__} has no decoder with stages, expected one of nnU-Net's U-Nets. Plan with "
                "nnU-Net's planners for detection."
            )
        self.encoder = encoder
        strides = _cumulated(encoder.strides, len(encoder.strides[0]))
        #: Strides of the levels, the finest first.
        self.strides = _levels(strides)
        first = len(strides) - 1 - next(i for i, s in enumerate(strides.tolist()) if tuple(s) == self.strides[0])
        self.transpconvs, self.stages = decoder.transpconvs[:first], decoder.stages[:first]
        channels = encoder.output_channels[::-1][: first + 1][::-1][: len(self.strides)]
        self.out_channels = max(LEAST_WIDTH, -(-channels[0] // 8) * 8)
        self.laterals = nn.ModuleList(encoder.conv_op(n, self.out_channels, 1) for n in channels)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the levels ``(B, width, *S)`` of images ``(B, C, *S)``, the finest first."""
        skips = self.encoder(image)
        levels = [skips[-1]]
        for number, (up, stage) in enumerate(zip(self.transpconvs, self.stages, strict=True), start=2):
            levels.append(stage(torch.cat((up(levels[-1]), skips[-number]), 1)))
        return [lateral(level) for lateral, level in zip(self.laterals, levels[::-1], strict=False)]


def _cumulated(strides: Sequence[Sequence[int] | int], dims: int) -> np.ndarray:
    """Return the stride of each stage's output, ``(stages, dims)``."""
    return np.cumprod([np.broadcast_to(stride, dims) for stride in strides], axis=0)


def _levels(strides: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Return the strides of the levels to use: from `FINEST_STRIDE` on, or the coarsest that there is."""
    fine = [i for i, s in enumerate(strides) if s.max() >= FINEST_STRIDE] or [len(strides) - 1]
    return tuple(tuple(int(n) for n in s) for s in strides[fine][:MOST_LEVELS])


class _FullPrecisionHeads(RetinaNet):
    """RetinaNet that may compute in bfloat16 and returns float32, which anchors and losses need.

    Args:
        low_precision: Whether to compute in bfloat16.
    """

    low_precision = False

    def forward(self, images: Tensor) -> dict[str, list[Tensor]]:
        """Return classification logits and box regressions of each level."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.low_precision):
            outputs = super().forward(images)
        return {key: [level.float() for level in levels] for key, levels in outputs.items()}


@dataclass(frozen=True)
class Anchors:
    """Anchors of the pyramid: one shape, in one size a level.

    Args:
        scales: Size of each level's anchors in voxels of the network's input, the finest level first.
        shape: Their edges along the axes of the patch, at size 1.
    """

    scales: tuple[float, ...]
    shape: tuple[float, ...]

    @classmethod
    def fitted(cls, edges: np.ndarray, levels: int) -> Anchors:
        """Fit anchors to the training boxes.

        The sizes (geometric means of the edges) go in equal ratios from the boxes' 5 % to their 95 % quantile; the
        shape has their median aspect. One anchor a place is enough with ATSS (Zhang et al., CVPR 2020).

        Args:
            edges: Of the boxes, in voxels of the network's input, ``(boxes, axes)``.
            levels: Number of levels.
        """
        logs = np.log(np.maximum(edges, 1.0))
        small, large = np.quantile(logs.mean(1), (0.05, 0.95)).tolist()
        sizes = np.linspace(small, large, levels)
        aspect = np.median(logs - logs.mean(1, keepdims=True), axis=0)
        return cls(tuple(np.exp(sizes).tolist()), tuple(np.exp(aspect).tolist()))


def build_detector(
    target: NetworkTarget,
    classes: int,
    anchors: Anchors,
    *,
    seed: int,
    low_precision: bool = False,
) -> tuple[RetinaNetDetector, nn.Module]:
    """Return the detector and the whole planned network that holds its pyramid, for the transfer of weights.

    The same seed gives the same weights, whatever was drawn before.

    Args:
        target: The planned network.
        classes: Number of classes.
        anchors: One size a level of `levels_of`.
        seed: Of the weights.
        low_precision: Compute in bfloat16.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        planned = build_network(target)
        pyramid = DecoderPyramid(planned)
        divisible = [
            int(n) for n in np.prod([np.broadcast_to(s, target.dims) for s in pyramid.encoder.strides], axis=0)
        ]
        network = _FullPrecisionHeads(target.dims, classes, 1, pyramid, divisible)
    network.low_precision = low_precision
    generator = AnchorGeneratorWithAnchorShape(list(anchors.scales), [list(anchors.shape)])
    detector = RetinaNetDetector(network, generator)
    detector.set_atss_matcher(num_candidates=9, center_in_gt=False)
    detector.set_hard_negative_sampler(batch_size_per_image=256, positive_fraction=0.5, min_neg=32, pool_size=4)
    detector.set_box_regression_loss(BoxGIoULoss(reduction="mean"), encode_gt=False, decode_pred=True)
    detector.set_box_selector_parameters(score_thresh=0.01, nms_thresh=0.4, detections_per_img=200)
    detector.set_sliding_window_inferer(list(target.patch_size), overlap=0.5, mode="gaussian")
    return detector, planned


def levels_of(target: NetworkTarget) -> int:
    """Return the number of levels of the pyramid on a planned network."""
    return len(_levels(_cumulated(target.architecture["arch_kwargs"]["strides"], target.dims)))
