"""Images from label maps: region appearance, noise, bias field, blur, slices, contrast and normalisation."""

from __future__ import annotations

import numpy as np
import torch

from rasd_nnu.pretrain.synthesis.draw import BiasParameters, SampleParameters, bias_nodes
from rasd_nnu.pretrain.synthesis.lattice import along_axes, gaussian_matrix, linear_matrix, thick_slice_matrix

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
        matrices = [
            gaussian_matrix(n, parameters.partial_volume / s).to(flat.device)
            for n, s in zip(config.shape, config.spacing, strict=True)
        ]
        image = along_axes(image.reshape(config.shape), matrices).reshape(-1)
    if bool((std > 0).any()):
        noise = torch.randn(flat.shape, generator=generator, device=flat.device)
        image.addcmul_(torch.take(std.to(flat.device), flat.long()), noise)
    return image


def bias_field(bias: BiasParameters, shape: tuple[int, ...], channel: int, device: torch.device) -> torch.Tensor:
    """Return exp(b), b being smoothed noise scaled to a maximum (neurite's bias field).

    Smoothing and upsampling are one matrix an axis: rows of a Gaussian at the voxels' places among the nodes.
    """
    nodes = bias.noise.shape[1:]
    matrices = []
    for n, g, sigma in zip(shape, nodes, bias.sigma, strict=True):
        step = (g - 1) / (n - 1)
        matrices.append((linear_matrix(n, g, step) @ gaussian_matrix(g, sigma * step)).to(device))
    smooth = along_axes(bias.noise[channel].to(device), matrices)
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


def _resolution(image: torch.Tensor, parameters: SampleParameters) -> torch.Tensor:
    """Blur and average into thick slices, S(K * x) of eq. 4: one matrix an axis."""
    matrices = [gaussian_matrix(n, sigma) for n, sigma in zip(image.shape, parameters.blur, strict=True)]
    if parameters.slice_thickness > 1:
        axis = parameters.slice_axis
        thick = thick_slice_matrix(image.shape[axis], parameters.slice_thickness, parameters.slice_offset)
        matrices[axis] = thick @ matrices[axis]
    elif not any(parameters.blur):
        return image
    return along_axes(image, [matrix.to(image.device) for matrix in matrices])


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
    """Return mean and standard deviation, on the CPU by numpy, whose result does not depend on the thread count."""
    if image.device.type == "cpu":
        values = image.numpy()
        return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))
    return float(image.mean(dtype=torch.float64)), float(image.double().std(correction=0))


def _percentiles(image: torch.Tensor) -> tuple[float, float]:
    """Return the 0.5 and 99.5 percentiles, from at most a million voxels."""
    values = image.reshape(-1)
    values = values[:: max(1, values.numel() // 2**20)]
    count = values.numel()
    ordered = values.sort().values
    return float(ordered[int(0.005 * (count - 1))]), float(ordered[int(0.995 * (count - 1))])


__all__ = ["bias_field", "bias_nodes", "normalise", "render_image"]
