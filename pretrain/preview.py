"""Look at synthetic samples before spending hours on them: a picture sheet, or the pairs as NIfTI."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from rasd_nnu.files import atomic_file
from rasd_nnu.pretrain.synthesis import SynthesisConfig, draw, generator_for, render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INCHES = 1.5


def _with_classes(config: SynthesisConfig, classes: int) -> SynthesisConfig:
    return SynthesisConfig.from_dict({**config.to_dict(), "classes": classes})


def _middle(volume: torch.Tensor) -> np.ndarray:
    """Return the middle slice of the first axis of a volume, or the image itself, ``(H, W)``."""
    array = volume.numpy()
    return array[array.shape[0] // 2] if array.ndim == 3 else array


def picture(image: torch.Tensor) -> np.ndarray:
    """Return channels ``(C, *S)`` as a gray ``(H, W)`` or, with three channels, colour ``(H, W, 3)`` picture."""
    chosen = image if len(image) == 3 else image[:1]
    planes = np.stack([_middle(channel) for channel in chosen], axis=-1)
    low, high = planes.min(), planes.max()
    planes = (planes - low) / max(high - low, 1e-8)
    return planes if len(chosen) == 3 else planes[..., 0]


def picture_sheet(config: SynthesisConfig, classes: Sequence[int], samples: int = 3, seed: int = 0) -> Figure:
    """Draw images beside their labels as figure 8 of the paper does: a row a class count, without and with warp.

    Args:
        config: What to synthesise; its class count is replaced by each of ``classes``.
        classes: Class counts, one row each.
        samples: Samples a row, with and without deformation each.
        seed: Seed of the samples. The two halves of a row show the same heat maps and appearance.

    Returns:
        A matplotlib figure; volumes show their middle slice.
    """
    from matplotlib.figure import Figure

    columns = 4 * samples
    figure = Figure(figsize=(_INCHES * columns, _INCHES * len(classes) + 0.7), layout="constrained")
    figure.suptitle(f"preset {config.name!r}, {' x '.join(map(str, config.shape))} voxels", fontsize=11)
    halves = figure.subfigures(1, 2, squeeze=False)[0]
    for half, title, warped in zip(halves, ("without deformation", "with deformation"), (False, True), strict=True):
        half.suptitle(title, fontsize=9)
        axes = half.subplots(len(classes), 2 * samples, squeeze=False)
        for row, count in zip(axes, classes, strict=True):
            for k in range(samples):
                parameters = draw(_with_classes(config, count), generator_for(seed, k))
                image, label = render(parameters if warped else replace(parameters, flows=()))
                row[2 * k].imshow(picture(image[0]), cmap="gray")
                row[2 * k + 1].imshow(
                    _middle(label[0]), cmap="nipy_spectral", vmin=0, vmax=max(count - 1, 1), interpolation="nearest"
                )
            row[0].set_ylabel(f"{count} classes", fontsize=8)
        for axis in axes.ravel():
            axis.set_xticks([])
            axis.set_yticks([])
    return figure


def write_nifti(config: SynthesisConfig, folder: Path, samples: int, seed: int = 0) -> list[Path]:
    """Write samples as pairs of NIfTI files, ``images/`` and ``labels/``.

    The arrays are in nnU-Net's axis order (the slice axis first), files in NIfTI's: axes are reversed on writing, and
    the affine is the spacing along a diagonal, so that viewers show right proportions. Images of several channels
    become one file a channel, ``_0000``, ``_0001``, ...

    Returns:
        The written files.
    """
    import nibabel

    written = []
    spacing = [*config.spacing[::-1], 1.0][:3]
    for k in range(samples):
        image, label = render(draw(config, generator_for(seed, k)))
        files = [(folder / "labels" / f"synthetic_{k:04d}.nii.gz", label[0].numpy().astype(np.uint8))]
        for c, channel in enumerate(image[0]):
            files.append((folder / "images" / f"synthetic_{k:04d}_{c:04d}.nii.gz", channel.numpy()))
        for path, array in files:
            volume = array.T if array.ndim == 3 else array.T[:, :, None]
            nifti = nibabel.Nifti1Image(volume, np.diag([*spacing, 1.0]))
            nifti.header.set_xyzt_units("mm")
            with atomic_file(path) as file:
                file.write(gzip.compress(nifti.to_bytes(), mtime=0))
            written.append(path)
    return written


def explain(config: SynthesisConfig) -> list[tuple[str, str]]:
    """Return each setting of a configuration with its value, range and unit, as ``group.key`` and text."""
    rows = [(name, str(getattr(config, name))) for name in ("shape", "spacing", "classes", "channels", "normalization")]
    for group in type(config.priors).model_fields:
        prior = getattr(config.priors, group)
        rows += [(f"{group}.{key}", str(getattr(prior, key))) for key in type(prior).model_fields]
    return rows
