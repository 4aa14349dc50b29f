"""Images from label maps: the effects of a sample, one after the other."""

from __future__ import annotations

import torch

from rasd_nnu.pretrain.synthesis.draw import SampleParameters
from rasd_nnu.pretrain.synthesis.effects import EFFECTS, Canvas
from rasd_nnu.pretrain.synthesis.normalise import normalise


def render_image(label: torch.Tensor, parameters: SampleParameters) -> torch.Tensor:
    """Turn a label map into an image (eqs. 2 to 4 and the options).

    Args:
        label: ``(*S)`` uint8, drawn or given.
        parameters: The sample, or `draw_view`'s result; its heat maps are not looked at.

    Returns:
        ``(C, *S)`` float32.
    """
    config = parameters.config
    effects = [parameters.effects[name] for name in EFFECTS.in_order() if name in parameters.effects]
    channels = []
    for channel in range(config.channels):
        canvas = Canvas(label, config.spacing, channel)
        image = torch.empty(label.shape, device=label.device)
        for effect in effects:
            image = effect.apply(image, canvas)
        schemes = config.normalization
        channels.append(normalise(image, schemes[min(channel, len(schemes) - 1)]) if schemes else image)
    return torch.stack(channels)
