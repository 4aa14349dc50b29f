"""The planned encoder with one linear layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rasd_nnu.errors import PlansError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget


class EncoderClassifier(nn.Module):
    """Encoder of a planned U-Net, mean over space, dropout, one linear layer.

    Args:
        network: The whole planned network, whose encoder is used.
        outputs: Number of outputs.
        dropout: Share of the pooled features that is dropped in training.

    Raises:
        PlansError: If the network has no encoder of nnU-Net's kind.
    """

    def __init__(self, network: nn.Module, outputs: int, dropout: float = 0.2) -> None:
        super().__init__()
        encoder = getattr(network, "encoder", None)
        if encoder is None or not hasattr(encoder, "output_channels"):
            raise PlansError(
                f"{type(network).__name__} has no encoder with stages, expected one of nnU-Net's U-Nets. Plan with "
                "nnU-Net's planners for classification."
            )
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(encoder.output_channels[-1], outputs)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits ``(B, outputs)`` of images ``(B, C, *S)``."""
        stages = self.encoder(image)
        deepest: Tensor = stages[-1] if isinstance(stages, list | tuple) else stages
        logits: Tensor = self.linear(self.dropout(deepest.flatten(2).mean(2)))
        return logits


def build_classifier(
    target: NetworkTarget, outputs: int, dropout: float, seed: int
) -> tuple[EncoderClassifier, nn.Module]:
    """Return the classifier and the whole planned network that holds its encoder, for the transfer of weights.

    The same seed gives the same weights, whatever was drawn before.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(target)
        return EncoderClassifier(network, outputs, dropout), network
