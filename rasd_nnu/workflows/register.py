"""`rasd_nnu register`: one volume onto another, by features of a frozen network or by the usual ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rasd_nnu
from rasd_nnu.checkpoints.read import Source
from rasd_nnu.errors import ConfigError, DatasetError
from rasd_nnu.features.images import read_image, write_image
from rasd_nnu.features.network import FeatureNetwork
from rasd_nnu.features.preprocessing import preprocessing_for
from rasd_nnu.files import write_text
from rasd_nnu.registration.convex import ConvexSettings
from rasd_nnu.registration.register import Features, Registration, intensities, mind, network_features, register
from rasd_nnu.workflows.overlap import overlaps


@dataclass(frozen=True)
class Compared:
    """What of two images is compared.

    Args:
        title: Name for the report.
        features: Turns an image into features.
        spacing: The network's grid along X, Y, Z in mm, or None for that of the fixed image.
    """

    title: str
    features: Features
    spacing: tuple[float, ...] | None = None


def usual(name: str) -> Compared:
    """Return ``mind`` or ``intensity``.

    Raises:
        ConfigError: If it is neither.
    """
    known: dict[str, Features] = {"mind": mind, "intensity": intensities}
    if name not in known:
        raise ConfigError(f"--on is {name!r}, expected mind or intensity; give features of a network by --checkpoint.")
    return Compared(name, known[name])


def of_checkpoint(
    source: Source, plan: tuple[str | None, str | None, str | None], device: str, untrained: int | None = None
) -> Compared:
    """Return the features of a checkpoint's network.

    Args:
        source: The checkpoint.
        plan: Data set, configuration and plans whose preprocessing is followed; None for the checkpoint's.
        device: Where to compute.
        untrained: Seed of random weights instead.

    Raises:
        ConfigError: If the network is 2D or takes several channels.
    """
    preprocessing = preprocessing_for(source, *plan)
    network = FeatureNetwork(source, preprocessing, device, untrained)
    if network.target.dims != 3 or network.target.input_channels != 1:
        raise ConfigError(
            f"the network of {source.path} is {network.target.dims}D with {network.target.input_channels} channels, "
            "expected a 3D one of one channel. Registration is of single volumes."
        )
    title = source.path.stem if untrained is None else f"{source.path.stem}, untrained"
    return Compared(title, network_features(network), tuple(reversed(preprocessing.spacing)))


def register_files(
    fixed: Path,
    moving: Path,
    out: Path,
    compared: Compared,
    settings: ConvexSettings,
    *,
    labels: tuple[Path | None, Path | None] = (None, None),
    align: str = "header",
    spacing: Sequence[float] | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Register files and write ``warped.nii.gz``, ``field.nii.gz``, ``labels.nii.gz`` and ``run_report.json``.

    Args:
        fixed: Fixed image.
        moving: Moving image.
        out: Folder.
        compared: What is compared.
        settings: Settings of convexAdam.
        labels: Label maps of the fixed and of the moving image, where there are; the moving one is warped, and both
            together give Dice and HD95 before and after.
        align: Where it starts: ``header`` or ``centre``.
        spacing: Grid of the work along X, Y, Z in mm; by default the network's, or that of the fixed image.
        device: Where to optimise.

    Returns:
        The content of ``run_report.json``.

    Raises:
        DatasetError: If a file is missing or does not fit.
    """
    images = read_image(fixed), read_image(moving)
    maps = [_labels(path, image) for path, image in zip(labels, images, strict=True)]
    found = register(
        *images, compared.features, settings, align=align, spacing=spacing or compared.spacing, device=device
    )
    report: dict[str, Any] = {
        "rasd_nnu": rasd_nnu.__version__,
        "fixed": str(fixed),
        "moving": str(moving),
        "compared": compared.title,
        "settings": asdict(settings),
        "align": align,
        "folded_share": found.folded(),
        "seconds": round(found.seconds, 2),
    }
    write_image(found.warp(images[1], images[0]), out / "warped.nii.gz")
    write_image(found.field, out / "field.nii.gz")
    if maps[1] is not None:
        warped = found.warp_labels(maps[1], images[0])
        write_image(warped, out / "labels.nii.gz")
        if maps[0] is not None:
            report["labels"] = _before_and_after(found, maps, images, align)
    write_text(out / "run_report.json", json.dumps(report, indent=2))
    return report


def _labels(path: Path | None, image: Any) -> Any:
    if path is None:
        return None
    labels = read_image(path)
    if labels.GetSize() != image.GetSize():
        raise DatasetError(f"{path} has the size {labels.GetSize()}, its image {image.GetSize()}. Resample it.")
    return labels


def _before_and_after(
    found: Registration, maps: Sequence[Any], images: Sequence[Any], align: str
) -> list[dict[str, Any]]:
    from rasd_nnu.registration.grid import resampled, start_transform

    start = start_transform(images[0], images[1], align)
    before = overlaps(maps[0], resampled(maps[1], images[0], start, nearest=True))
    after = overlaps(maps[0], found.warp_labels(maps[1], images[0]))
    return [
        {"label": a.label, "dice_before": b.dice, "dice": a.dice, "hd95_before": b.hd95, "hd95": a.hd95}
        for b, a in zip(before, after, strict=True)
    ]
