"""nnU-Net's loss."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from torch import Tensor


class Loss:
    """nnU-Net's Dice and cross-entropy at all scales."""

    def __init__(self, scales: int, batch_dice: bool) -> None:
        own = DC_and_CE_loss(
            {"batch_dice": batch_dice, "smooth": 1e-5, "do_bg": False, "ddp": False},
            {},
            dice_class=MemoryEfficientSoftDiceLoss,
        )
        weights = np.array([0.5**i for i in range(scales)])
        weights[-1] = 0 if scales > 1 else 1
        self.wrapped = DeepSupervisionWrapper(own, weights / weights.sum())

    def __call__(self, outputs: list[Tensor], labels: Tensor) -> Tensor:
        """Return the loss of ``outputs``, the finest first, for ``labels`` ``(B, *S)``."""
        whole = labels[:, None].float()
        targets = [whole if o.shape[2:] == whole.shape[2:] else F.interpolate(whole, o.shape[2:]) for o in outputs]
        value: Tensor = self.wrapped(outputs, targets)
        return value
