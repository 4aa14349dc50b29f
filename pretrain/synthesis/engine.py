"""The engine: parameters in, images and label maps out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch

from rasd_nnu.pretrain.synthesis.appearance import render_image
from rasd_nnu.pretrain.synthesis.config import SynthesisConfig
from rasd_nnu.pretrain.synthesis.draw import SampleParameters, draw, generator_for, reappear
from rasd_nnu.pretrain.synthesis.masks import blob_labels
from rasd_nnu.pretrain.synthesis.structures import add_structures


def render(
    parameters: SampleParameters | Sequence[SampleParameters], device: torch.device | str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Render samples of one configuration.

    Args:
        parameters: One sample or several.
        device: Where to compute. On the CPU samples are rendered one by one, so that a sample does not depend, by
            a single bit, on what it is batched with.

    Returns:
        Images ``(B, C, *S)`` float32 and labels ``(B, *S)`` int64.

    Example:
        >>> config = SynthesisConfig.preset("default", shape=(32, 32), classes=4)
        >>> image, label = render(draw(config, generator_for(seed=0, index=7)))
        >>> image.shape, label.shape
        (torch.Size([1, 1, 32, 32]), torch.Size([1, 32, 32]))
    """
    samples = [parameters] if isinstance(parameters, SampleParameters) else list(parameters)
    with torch.no_grad():
        labels = _label_maps(samples, torch.device(device))
        return render_images(labels, samples), labels.long()


def render_images(labels: torch.Tensor, parameters: Sequence[SampleParameters]) -> torch.Tensor:
    """Render images of given label maps, on the device of the labels.

    Args:
        labels: ``(B, *S)`` uint8, such as regions of a real image.
        parameters: One sample each, from `draw_view` or `reappear`; everything but the label map comes from them.

    Returns:
        ``(B, C, *S)`` float32.

    Example:
        >>> from rasd_nnu.pretrain.synthesis import draw_view
        >>> config = SynthesisConfig.preset("default", shape=(32, 32), classes=4)
        >>> label = torch.zeros((1, 32, 32), dtype=torch.uint8)
        >>> render_images(label, [draw_view(config, generator_for(seed=0, index=7), classes=4)]).shape
        torch.Size([1, 1, 32, 32])
    """
    # Sums of floats depend on how threads share them, label maps do not: images are rendered by one thread, so
    # that a sample is the same to the last bit whatever the number of threads or worker processes.
    with torch.no_grad(), _one_thread() if labels.device.type == "cpu" else nullcontext():
        return torch.stack([render_image(label, p) for label, p in zip(labels, parameters, strict=True)])


def _label_maps(samples: list[SampleParameters], device: torch.device) -> torch.Tensor:
    if device.type == "cpu":
        return torch.cat([_labels([sample], device) for sample in samples])
    return _labels(samples, device)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _labels(samples: list[SampleParameters], device: torch.device) -> torch.Tensor:
    labels = blob_labels(samples, max(p.classes for p in samples), device)
    for label, own in zip(labels, samples, strict=True):
        add_structures(label, own.classes, own.structures, own.config.geometry)
    return labels


def synthesize(
    config: SynthesisConfig, seed: int, indices: Sequence[int], device: torch.device | str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw and render samples ``indices`` of the endless stream ``seed``.

    Returns:
        Images ``(B, C, *S)`` float32 and labels ``(B, *S)`` int64.
    """
    return render([draw(config, generator_for(seed, index)) for index in indices], device)


def synthesize_views(
    config: SynthesisConfig, seed: int, indices: Sequence[int], views: int, device: torch.device | str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw and render samples ``indices`` of the stream ``seed``, each in several views.

    The first view is that of `synthesize`; every further one has the same label map and everything else anew.

    Returns:
        Images ``(B, V, C, *S)`` float32 and labels ``(B, *S)`` int64.
    """
    samples = [draw(config, generator_for(seed, index)) for index in indices]
    with torch.no_grad():
        labels = _label_maps(samples, torch.device(device))
        images = [render_images(labels, samples)]
        for view in range(1, views):
            redrawn = [
                reappear(sample, generator_for(seed, index, view))
                for sample, index in zip(samples, indices, strict=True)
            ]
            images.append(render_images(labels, redrawn))
        return torch.stack(images, 1), labels.long()
