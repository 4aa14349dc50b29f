"""Statistics of synthetic samples, as defined in the measured reference of the authors' generator."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, stats

#: Mean and standard deviation over samples of the authors' released generator (each sample drawn alone).
REFERENCE_2D = {  # 256 x 256, 8 classes, 300 samples
    "classes_present": (7.99333, 0.08151),
    "largest_fraction": (0.2651, 0.07376),
    "second_fraction": (0.19101, 0.03603),
    "median_fraction": (0.10901, 0.02005),
    "boundary_fraction": (0.07483, 0.01901),
    "components": (99.64667, 37.5082),
    "image_mean": (0.4931, 0.10688),
    "image_std": (0.1569, 0.03896),
    "image_skew": (0.03544, 0.47397),
    "gradient": (0.06645, 0.02275),
    "power_low": (0.62747, 0.17241),
    "power_mid": (0.15989, 0.03914),
    "power_high": (0.21264, 0.16414),
    "between_region_std": (0.13743, 0.04677),
    "within_region_std": (0.07543, 0.0146),
}
REFERENCE_3D = {  # 64 x 64 x 64, 4 classes, 60 samples
    "classes_present": (4.0, 0.0),
    "largest_fraction": (0.32864, 0.04893),
    "second_fraction": (0.27047, 0.02546),
    "median_fraction": (0.2483, 0.01745),
    "boundary_fraction": (0.26199, 0.0495),
    "components": (145.95, 50.63944),
    "image_mean": (0.47929, 0.11018),
    "image_std": (0.14612, 0.03213),
    "image_skew": (0.21102, 0.49815),
    "gradient": (0.07022, 0.01912),
    "power_low": (0.36587, 0.13838),
    "power_mid": (0.32359, 0.09888),
    "power_high": (0.31054, 0.18903),
    "between_region_std": (0.11992, 0.03928),
    "within_region_std": (0.08061, 0.0116),
}


def describe(image: np.ndarray, label: np.ndarray, classes: int) -> dict[str, float]:
    """Return the reference's statistics of one sample, image values from 0 to 1."""
    shares = np.sort(np.bincount(label.ravel(), minlength=classes) / label.size)[::-1]
    differs = np.zeros(label.shape, bool)
    gradient = []
    for axis in range(label.ndim):
        first, second = [slice(None)] * label.ndim, [slice(None)] * label.ndim
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        differs[tuple(first)] |= label[tuple(first)] != label[tuple(second)]
        gradient.append(np.abs(np.diff(image, axis=axis)).mean())
    present = [k for k in range(classes) if (label == k).any()]
    components = 0
    for k in present:
        numbered, _ = ndimage.label(label == k)
        components += int((np.bincount(numbered.ravel())[1:] >= 8).sum())
    power = np.abs(np.fft.fftn((image - image.mean()) / image.std())) ** 2
    frequency = np.sqrt(sum(np.meshgrid(*[np.fft.fftfreq(n) ** 2 for n in image.shape], indexing="ij")))
    power[frequency == 0] = 0
    bands = {
        name: power[(frequency >= low) & (frequency < high)].sum() / power.sum()
        for name, low, high in (("power_low", 0, 0.05), ("power_mid", 0.05, 0.2), ("power_high", 0.2, 1))
    }
    regions = [image[label == k] for k in present]
    return {
        "classes_present": len(present),
        "largest_fraction": shares[0],
        "second_fraction": shares[1],
        "median_fraction": float(np.median(shares)),
        "boundary_fraction": float(differs.mean()),
        "components": components,
        "image_mean": float(image.mean()),
        "image_std": float(image.std()),
        "image_skew": float(stats.skew(image.ravel())),
        "gradient": float(np.mean(gradient)),
        **bands,
        "between_region_std": float(np.std([r.mean() for r in regions])),
        "within_region_std": float(np.mean([r.std() for r in regions])),
    }
