"""`rasd_nnu features`: what frozen networks make of images, in pictures, numbers and volumes."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813
import torch

import rasd_nnu
from rasd_nnu.checkpoints.read import Source
from rasd_nnu.errors import ConfigError, DatasetError
from rasd_nnu.features.figures import Scatter, map_sheet, scatter_sheet
from rasd_nnu.features.images import CaseImage, FloatArray, case_name, read_case, read_image, to_image, write_image
from rasd_nnu.features.network import FeatureNetwork
from rasd_nnu.features.points import IntArray, Points, collect, region_points, voxel_points
from rasd_nnu.features.preprocessing import PreparedCase
from rasd_nnu.features.projection import fit_projection
from rasd_nnu.features.separation import Separation, embed, separation, subset
from rasd_nnu.files import atomic_file, write_text
from rasd_nnu.reading import read_table

#: Voxels of each case that principal components are fitted to.
_SAMPLED = 5000


@dataclass(frozen=True)
class Arm:
    """A network under its name.

    Args:
        name: Shown name, also in file names.
        source: Its checkpoint.
        network: The network.
    """

    name: str
    source: Source
    network: FeatureNetwork


@dataclass(frozen=True)
class FeatureOptions:
    """What to make.

    Args:
        labels: Folder of label maps named as the cases, or None.
        classes: Case -> class, for features of whole images.
        names: Label -> name to show.
        voxels: Voxels drawn of each label and case.
        maps: Cases to show as maps.
        export: None, ``pca`` or ``all``.
        components: Principal components in maps and in the export.
        embedding: ``tsne`` or ``umap``.
        seed: Of all draws.
    """

    labels: Path | None = None
    classes: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    voxels: int = 50
    maps: int = 3
    export: str | None = None
    components: int = 3
    embedding: str = "tsne"
    seed: int = 0


@dataclass
class _Found:
    """What one network made of all cases."""

    voxels: list[tuple[str, FloatArray, IntArray]] = field(default_factory=list)
    regions: list[tuple[str, FloatArray, IntArray]] = field(default_factory=list)
    cases: list[tuple[str, FloatArray, list[str]]] = field(default_factory=list)
    sampled: list[FloatArray] = field(default_factory=list)


def make_features(arms: Sequence[Arm], images: Sequence[Path], out: Path, options: FeatureOptions) -> list[Path]:
    """Write pictures, numbers and volumes into a folder.

    Args:
        arms: Networks, all with the same input channels.
        images: The first channel of each case.
        out: The folder.
        options: What to make.

    Returns:
        The written files.

    Raises:
        DatasetError: If an image or label map is missing or does not fit, or the classes cannot be told apart in
            numbers.
        ConfigError: If two networks differ in their channels, or nothing is asked for.
    """
    if len({arm.network.target.input_channels for arm in arms}) > 1:
        raise ConfigError("the checkpoints take different numbers of channels. Compare those of one kind of images.")
    if not (options.labels or options.classes or options.maps or options.export):
        raise ConfigError("nothing is asked for. Give --labels, --classes, --maps or --export.")
    began = time.perf_counter()
    channels = arms[0].network.target.input_channels
    cases = [read_case(path, channels) for path in images]
    _check_names(cases)
    maps = [_label_map(case, options.labels) for case in cases] if options.labels else [None] * len(cases)
    found = {arm.name: _pass(arm, cases, maps, options) for arm in arms}
    written, numbers = _scatters(found, out, options)
    written += _volumes(arms, cases, found, out, options)
    report = {
        "rasd_nnu": rasd_nnu.__version__,
        "checkpoints": {arm.name: {"path": str(arm.source.path), "sha256": arm.source.sha256} for arm in arms},
        "cases": [case.name for case in cases],
        "seed": options.seed,
        "separation": {name: [asdict(n) for n in rows] for name, rows in numbers.items()},
        "seconds": round(time.perf_counter() - began, 1),
    }
    write_text(out / "run_report.json", json.dumps(report, indent=2))
    return [*written, out / "run_report.json"]


def read_classes(path: Path, column: str) -> dict[str, str]:
    """Read the class of each case from a CSV file with the columns ``case`` and ``column``.

    Raises:
        DatasetError: If the file or a column is missing, or a case comes twice.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist, expected a CSV file with the columns case and {column}.")
    found: dict[str, str] = {}
    for row in read_table(path, ("case", column), DatasetError):
        if row["case"] in found:
            raise DatasetError(f"{path} has case {row['case']!r} twice. Remove a row.")
        found[row["case"]] = row[column]
    return found


def _check_names(cases: Sequence[CaseImage]) -> None:
    names = [case.name for case in cases]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DatasetError(f"two images are of case {twice!r}. Give each case once.")


def _label_map(case: CaseImage, folder: Path | None) -> sitk.Image:
    """Return the label map of a case."""
    assert folder is not None
    here = sorted(path for path in folder.glob(f"{case.name}.*") if case_name(path) == case.name)
    if not here:
        raise DatasetError(f"case {case.name!r} has no label map in {folder}, expected {case.name}.nii.gz or such.")
    labels = read_image(here[0])
    if labels.GetSize() != case.geometry.GetSize():
        raise DatasetError(
            f"{here[0]} has the size {labels.GetSize()}, its image {case.geometry.GetSize()}; resample it to the image."
        )
    return labels


def _pass(arm: Arm, cases: Sequence[CaseImage], maps: Sequence[Any], options: FeatureOptions) -> _Found:
    """Run a network over all cases and keep what plots, numbers and components need."""
    found = _Found()
    generator = np.random.default_rng(options.seed)
    for case, label_map in zip(cases, maps, strict=True):
        features, prepared = arm.network.of_case(case)
        flat = features.flatten(1)
        chosen = generator.choice(flat.shape[1], min(_SAMPLED, flat.shape[1]), replace=False)
        found.sampled.append(flat[:, torch.from_numpy(chosen)].T.numpy())
        if label_map is not None:
            labels = _on_grid(label_map, arm.network, prepared)
            found.voxels.append((case.name, *voxel_points(features, labels, options.voxels, generator)))
            found.regions.append((case.name, *region_points(features, labels)))
        if options.classes:
            if case.name not in options.classes:
                raise DatasetError(f"case {case.name!r} has no class. Add it to the table, or leave its image out.")
            found.cases.append((case.name, flat.mean(1)[None].numpy(), [options.classes[case.name]]))
    return found


def _on_grid(label_map: sitk.Image, network: FeatureNetwork, prepared: PreparedCase) -> IntArray:
    array = sitk.GetArrayFromImage(label_map)
    return network.preprocessing.labels(array[None] if array.ndim == 2 else array, prepared)


def _scatters(
    found: dict[str, _Found], out: Path, options: FeatureOptions
) -> tuple[list[Path], dict[str, list[Separation]]]:
    """Measure and draw the points of all networks; nothing without labels and classes."""
    panels: dict[str, list[Scatter]] = {}
    for name, of_arm in found.items():
        kinds: list[Points] = []
        if of_arm.voxels:
            kinds += [
                collect("voxels", of_arm.voxels, options.names),
                collect("regions", of_arm.regions, options.names),
            ]
        if of_arm.cases:
            kinds.append(collect("cases", of_arm.cases, options.names))
        panels[name] = [_scatter(points, options) for points in kinds]
    numbers = {name: [scatter.numbers for scatter in scatters] for name, scatters in panels.items()}
    if not any(panels.values()):
        return [], {}
    path = out / f"{options.embedding}.png"
    with atomic_file(path) as file:
        scatter_sheet(panels).savefig(file, dpi=130, format="png")
    return [path], numbers


def _scatter(points: Points, options: FeatureOptions) -> Scatter:
    numbers = separation(points, options.seed)  # refuses what is too little
    shown = subset(points, options.seed)
    return Scatter(shown, embed(shown.values, options.embedding, options.seed), numbers)


def _volumes(
    arms: Sequence[Arm], cases: Sequence[CaseImage], found: dict[str, _Found], out: Path, options: FeatureOptions
) -> list[Path]:
    """Draw maps over the first cases, and write volumes of all."""
    shown = cases[: options.maps]
    slices: dict[str, dict[str, FloatArray]] = {case.name: {} for case in shown}
    planes: dict[str, dict[str, FloatArray]] = {case.name: {} for case in shown}
    written: list[Path] = []
    for arm in arms:
        projection = fit_projection(np.concatenate(found[arm.name].sampled), max(options.components, 3))
        for case in cases if options.export else shown:
            features, prepared = arm.network.of_case(case)
            components = arm.network.preprocessing.back(projection.of(features), prepared)
            if case.name in slices:
                middle = case.array.shape[1] // 2
                slices[case.name][arm.name] = case.array[0, middle]
                planes[case.name][arm.name] = components[:, middle]
            if options.export:
                path = out / arm.name / f"{case.name}.nii.gz"
                volume = (
                    components[: options.components]
                    if options.export == "pca"
                    else arm.network.preprocessing.back(features, prepared)
                )
                write_image(to_image(volume, case.geometry), path)
                written.append(path)
    if shown:
        with atomic_file(out / "maps.png") as file:
            map_sheet(slices, planes).savefig(file, dpi=130, format="png")
        written.append(out / "maps.png")
    return written
