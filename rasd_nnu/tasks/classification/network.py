"""The planned encoder with one linear layer, and attention over the series of a case."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rasd_nnu.errors import ConfigError, PlansError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget


class AttentionPool(nn.Module):
    """Mean of several feature vectors, weighted by what is in them (Ilse et al., ICML 2018, equations 7 and 8).

    Args:
        features: Length of a vector, F.
        hidden: Units that the weights are computed from.

    Example:
        >>> pool = AttentionPool(8)
        >>> pool(torch.ones(2, 3, 8)).shape
        torch.Size([2, 8])
    """

    def __init__(self, features: int, hidden: int = 64) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))

    def forward(self, vectors: Tensor) -> Tensor:
        """Pool ``(B, N, F)`` to ``(B, F)``."""
        return (self.score(vectors).softmax(1) * vectors).sum(1)


class EncoderClassifier(nn.Module):
    """Encoder of a planned U-Net, mean over space, dropout, one linear layer.

    With ``series`` every channel is a series of its own, such as the planes of an examination that lie on no common
    grid: the encoder sees each alone, in its own channel with zeros in the others, and attention weighs their features.

    Args:
        network: The whole planned network, whose encoder is used.
        outputs: Number of outputs.
        dropout: Share of the pooled features that is dropped in training.
        series: Whether channels are series.

    Raises:
        PlansError: If the network has no encoder of nnU-Net's kind.
    """

    def __init__(self, network: nn.Module, outputs: int, dropout: float = 0.2, series: bool = False) -> None:
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
        self.attention = AttentionPool(encoder.output_channels[-1]) if series else None

    def forward(self, image: Tensor) -> Tensor:
        """Return logits ``(B, outputs)`` of images ``(B, C, *S)``."""
        if self.attention is None:
            features = self._features(image)
        else:
            alone = torch.diag_embed(image.movedim(1, -1)).movedim((-2, -1), (1, 2))  # (B, C, C, *S)
            features = self.attention(self._features(alone.flatten(0, 1)).unflatten(0, alone.shape[:2]))
        logits: Tensor = self.linear(self.dropout(features))
        return logits

    def _features(self, image: Tensor) -> Tensor:
        """Return the mean over space of the deepest stage, ``(B, F)``."""
        stages = self.encoder(image)
        deepest: Tensor = stages[-1] if isinstance(stages, list | tuple) else stages
        return deepest.flatten(2).mean(2)


def build_classifier(
    target: NetworkTarget, outputs: int, dropout: float, seed: int, series: bool = False
) -> tuple[EncoderClassifier, nn.Module]:
    """Return the classifier and the whole planned network that holds its encoder, for the transfer of weights.

    The same seed gives the same weights, whatever was drawn before.

    Raises:
        ConfigError: If there is one series only.
    """
    if series and target.input_channels < 2:
        raise ConfigError("--series is for several channels, but the data set has one. Leave it out.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(target)
        return EncoderClassifier(network, outputs, dropout, series), network
