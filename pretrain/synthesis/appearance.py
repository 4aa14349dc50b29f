"""Images from label maps: region appearance, noise, bias field, blur, slices, contrast and normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from rasd_nnu.pretrain.synthesis.draw import BiasParameters, SampleParameters
from rasd_nnu.pretrain.synthesis.lattice import along_axes, along_axis, linear_matrix, thick_slice_matrix

_EPSILON = 1e-8


def render_image(label: torch.Tensor, parameters: SampleParameters) -> torch.Tensor:
    """Turn a label map into an image (eqs. 2 to 4 and the options).

    Args:
        label: ``(*S)`` uint8.
        parameters: The sample.

    Returns:
        ``(C, *S)`` float32.
    """
    config = parameters.config
    generator = torch.Generator(label.device).manual_seed(parameters.noise_seed)
    flat = label.reshape(-1).int()
    channels = []
    for channel in range(config.channels):
        image = _regions(flat, parameters, channel, generator).reshape(label.shape)
        if parameters.bias is not None:
            image *= bias_field(parameters.bias, config.shape, channel, label.device)
        image = _add_noise(image, parameters, generator)
        image = _resolution(image, parameters)
        if config.priors.contrast.minmax:
            image = _minmax(image)
        gamma = float(parameters.gamma[channel])
        if gamma != 1:
            image = image.clamp_(min=0).pow_(gamma)
        schemes = config.normalization
        channels.append(normalise(image, schemes[min(channel, len(schemes) - 1)]) if schemes else image)
    return torch.stack(channels)


def _regions(
    flat: torch.Tensor, parameters: SampleParameters, channel: int, generator: torch.Generator
) -> torch.Tensor:
    """Fill the regions: x = r_b + sum_i r_i (eq. 3).

    Region and background noise are independent normals, so one draw with the summed variance has their law.
    """
    config = parameters.config
    mean = parameters.mean[channel] + parameters.background_mean[channel]
    std = (parameters.std[channel] ** 2 + parameters.background_std[channel] ** 2).sqrt()
    if parameters.body is not None:
        mean, std = mean.clone(), std.clone()
        mean[0], std[0] = parameters.background_mean[channel], 0.0
    image = torch.take(mean.to(flat.device), flat.long())
    if parameters.partial_volume > 0:
        sigmas = [parameters.partial_volume / s for s in config.spacing]
        image = gaussian_blur(image.reshape(config.shape), sigmas).reshape(-1)
    if bool((std > 0).any()):
        noise = torch.randn(flat.shape, generator=generator, device=flat.device)
        image.addcmul_(torch.take(std.to(flat.device), flat.long()), noise)
    return image


def bias_field(bias: BiasParameters, shape: tuple[int, ...], channel: int, device: torch.device) -> torch.Tensor:
    """Return exp(b), b being smooth noise scaled to a maximum (neurite's bias field), ``(*S)``."""
    matrices = [
        linear_matrix(n, g, (g - 1) / (n - 1)).to(device) for n, g in zip(shape, bias.field.shape[1:], strict=True)
    ]
    smooth = along_axes(bias.field[channel].to(device), matrices)
    peak = float(bias.peak[channel])
    return smooth.mul_(peak / smooth.amax().clamp(min=_EPSILON)).exp_()


def _add_noise(image: torch.Tensor, parameters: SampleParameters, generator: torch.Generator) -> torch.Tensor:
    """Add noise whose std is relative to the largest magnitude of the image.

    Rician is the magnitude of a complex signal (MR), speckle is multiplicative (ultrasound), and Poisson's
    variance grows with the signal (counts; by its normal approximation).
    """
    if parameters.noise_std == 0:
        return image
    std = parameters.noise_std * image.abs().amax()

    def noise() -> torch.Tensor:
        return torch.randn(image.shape, generator=generator, device=image.device)

    if parameters.noise_kind == "rician":
        return torch.hypot(image + std * noise(), std * noise())
    if parameters.noise_kind == "speckle":
        return image.mul_(1 + parameters.noise_std * noise())
    if parameters.noise_kind == "poisson":
        return image.add_((image.clamp(min=0) * std).sqrt_() * parameters.noise_std**0.5 * noise())
    return image.addcmul_(noise(), std)


def gaussian_blur(image: torch.Tensor, sigmas: Sequence[float]) -> torch.Tensor:
    """Blur with a Gaussian cut off at three standard deviations; at the border, what lies outside has no weight.

    Args:
        image: ``(*S)``.
        sigmas: Standard deviation in voxels, an axis; 0 leaves the axis as it is.
    """
    for axis, sigma in enumerate(sigmas):
        n = image.shape[axis]
        radius = min(math.ceil(3 * sigma), n - 1)
        weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(1, radius + 1)] if sigma > 0 else []
        if not weights:
            continue
        total = torch.ones(n)
        blurred = image.clone()
        for k, weight in enumerate(weights, start=1):
            blurred.narrow(axis, 0, n - k).add_(image.narrow(axis, k, n - k), alpha=weight)
            blurred.narrow(axis, k, n - k).add_(image.narrow(axis, 0, n - k), alpha=weight)
            total[: n - k] += weight
            total[k:] += weight
        image = blurred.div_(total.to(image.device).reshape(-1, *[1] * (image.ndim - axis - 1)))
    return image


def _resolution(image: torch.Tensor, parameters: SampleParameters) -> torch.Tensor:
    """Blur and average into thick slices, S(K * x) of eq. 4."""
    image = gaussian_blur(image, parameters.blur)
    if parameters.slice_thickness <= 1:
        return image
    axis = parameters.slice_axis
    slices = thick_slice_matrix(image.shape[axis], parameters.slice_thickness, parameters.slice_offset)
    return along_axis(image, slices.to(image.device), axis - image.ndim)


def _minmax(image: torch.Tensor) -> torch.Tensor:
    low, high = torch.aminmax(image)
    return image.sub_(low).div_((high - low).clamp_(min=_EPSILON))


def normalise(image: torch.Tensor, scheme: str) -> torch.Tensor:
    """Normalise one channel as nnU-Net would.

    Args:
        image: ``(*S)``.
        scheme: nnU-Net's normalisation scheme. ``CTNormalization`` clips to the 0.5 and 99.5 percentiles of a whole
            data set; here those of the sample stand in for them. Schemes that rescale to 0..1 do; an unknown scheme,
            which cannot be imitated, gets a z-score, nnU-Net's own choice for channels that it does not know.
    """
    if scheme == "NoNormalization":
        return image
    if scheme in ("RescaleTo01Normalization", "RGBTo01Normalization"):
        return _minmax(image)
    if scheme == "CTNormalization":
        low, high = _percentiles(image)
        image = image.clamp_(low, high)
    mean, std = _moments(image)
    return image.sub_(mean).div_(max(std, _EPSILON))


def _moments(image: torch.Tensor) -> tuple[float, float]:
    """Return mean and standard deviation."""
    values = image.double()
    return float(values.mean()), float(values.std(correction=0))


def _percentiles(image: torch.Tensor) -> tuple[float, float]:
    """Return the 0.5 and 99.5 percentiles, from at most a million voxels."""
    values = image.reshape(-1)
    values = values[:: max(1, values.numel() // 2**20)]
    count = values.numel()
    ordered = values.sort().values
    return float(ordered[int(0.005 * (count - 1))]), float(ordered[int(0.995 * (count - 1))])
