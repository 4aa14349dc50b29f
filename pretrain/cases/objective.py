"""Two questions to one network: which region (prototypes), and which target (nnU-Net's loss)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rasd_nnu.pretrain.cases.patches import IGNORE
from rasd_nnu.pretrain.objective import PrototypeDisentangling, Terms


class CasesModule(nn.Module):
    """Image and label -> terms: prototypes over all regions, plus nnU-Net's Dice and cross-entropy on the targets.

    Args:
        network: Its outputs, the finest first where there are several: ``classes`` channels that answer the second
            question, then the features.
        objective: The first question's.
        classes: Number of targets, background included.
        batch_dice: Whether the Dice is one over the batch, as nnU-Net plans it.
    """

    def __init__(
        self, network: nn.Module, objective: PrototypeDisentangling, classes: int, *, batch_dice: bool
    ) -> None:
        from nnunetv2.training.loss.compound_losses import DC_and_CE_loss
        from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss

        super().__init__()
        self.network, self.objective, self.classes = network, objective, classes
        dice = {"batch_dice": batch_dice, "smooth": 1e-5, "do_bg": False, "ddp": False}
        self.loss = DC_and_CE_loss(dice, {}, ignore_label=IGNORE, dice_class=MemoryEfficientSoftDiceLoss)

    def forward(self, image: Tensor, label: Tensor) -> Terms:
        """Return the terms; ``total`` is the sum of separation, clustering and the targets' loss.

        Args:
            image: ``(B, C, *S)``.
            label: ``(B, 2, *S)``: regions, then targets.
        """
        found = self.network(image)
        outputs = found if isinstance(found, list | tuple) else [found]
        regions, targets = label[:, 0], label[:, 1]
        terms: Terms = self.objective(outputs[0][:, self.classes :], regions, int(regions.max()) + 1)
        heads = [output[:, : self.classes] for output in outputs]
        return terms._replace(total=terms.total + self._targets(heads, targets))

    def _targets(self, outputs: list[Tensor], targets: Tensor) -> Tensor:
        """Return nnU-Net's loss at all resolutions but the coarsest, a mean over samples; no targets, no loss."""
        known = (targets != IGNORE).flatten(1).any(1)
        share = known.float().mean()
        total = share.new_zeros(())
        weights = [0.5**i for i in range(max(1, len(outputs) - 1))]
        with torch.autocast(outputs[0].device.type, enabled=False):
            for output, weight in zip(outputs, weights, strict=False):
                if known.any():
                    whole = targets[known][:, None].float()
                    whole = whole if whole.shape[2:] == output.shape[2:] else F.interpolate(whole, output.shape[2:])
                    total = total + share * weight / sum(weights) * self.loss(output[known].float(), whole)
            # What has no loss has a gradient of 0 all the same: several processes would wait for it.
            return total + sum(0 * output.float().sum() for output in outputs)
