"""Turn an official release into a data set of nnU-Net's raw format."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from rasd_nnu.dataset_specs.check import Track, check_cases, untracked
from rasd_nnu.dataset_specs.decathlon import find_cases as find_decathlon_cases
from rasd_nnu.dataset_specs.download import download_release
from rasd_nnu.dataset_specs.locations import find_source
from rasd_nnu.dataset_specs.raw_dataset import (
    CaseRecord,
    PreparedDataset,
    check_target,
    new_dataset,
    sha256_of,
    write_tables,
)
from rasd_nnu.dataset_specs.schema import DatasetSpec
from rasd_nnu.dataset_specs.source import SourceCase
from rasd_nnu.dataset_specs.voxels import map_labels, read_nifti
from rasd_nnu.errors import DatasetError

# Layout kind -> function that lists the cases of a source folder.
READERS: dict[str, Callable[[DatasetSpec, Path], list[SourceCase]]] = {"decathlon": find_decathlon_cases}


def prepare(
    spec: DatasetSpec,
    source: Path | None,
    raw: Path,
    overwrite: bool = False,
    num_cases: int | None = None,
    track: Track = untracked,
) -> PreparedDataset:
    """Check a release and write it as ``raw/DatasetNNN_Name``.

    Args:
        spec: The task.
        source: Unpacked official release. None looks under ``RASD_DATA`` and then downloads it.
        raw: nnU-Net's ``nnUNet_raw``.
        overwrite: Replace an existing data set, after the new one is complete.
        num_cases: Take only the first so many cases in the order of their ids.
        track: Wraps the loops over the cases, to show progress.

    Returns:
        The folder, its cases and warnings.

    Raises:
        DatasetError: The target exists, or the source is not as the spec says. Nothing is written then.
    """
    target = raw / spec.dataset_name
    check_target(target, overwrite)
    source = _release_folder(spec, source or find_source(spec) or download_release(spec))
    found = READERS[spec.layout.kind](spec, source)
    cases = _first(found, num_cases)
    check_cases(spec, cases, track)
    with new_dataset(target, overwrite) as folder:
        records = [_convert(spec, case, source, folder) for case in track(cases, "convert")]
        write_tables(folder, _dataset_json(spec, len(records)), records, spec.split.folds, spec.split.seed)
    return PreparedDataset(target, tuple(case.case for case in cases), _warnings(spec, len(found)))


def _release_folder(spec: DatasetSpec, source: Path) -> Path:
    """Accept the folder of the release itself or the one above it."""
    inner = source / spec.layout.folder
    return inner if inner.is_dir() else source


def _first(cases: list[SourceCase], num_cases: int | None) -> list[SourceCase]:
    if num_cases is None:
        return cases
    if not 0 < num_cases <= len(cases):
        raise DatasetError(f"asked for {num_cases} cases, the source has {len(cases)}; ask for 1 to {len(cases)}.")
    return cases[:num_cases]


def _warnings(spec: DatasetSpec, found: int) -> tuple[str, ...]:
    if found == spec.layout.cases:
        return ()
    return (f"the source lists {found} cases, the official release has {spec.layout.cases}",)


def _dataset_json(spec: DatasetSpec, cases: int) -> dict[str, Any]:
    content: dict[str, Any] = {
        "channel_names": {str(index): name for index, name in enumerate(spec.channels)},
        "labels": spec.labels,
        "numTraining": cases,
        "file_ending": ".nii.gz",
        "name": spec.name,
        "description": spec.title,
        "licence": spec.licence,
        "reference": spec.homepage,
        "citation": list(spec.citation),
        "converted_by": f"rasd_nnu, spec {spec.key}",
    }
    if spec.regions_class_order is not None:
        content["regions_class_order"] = spec.regions_class_order
    return content


def _convert(spec: DatasetSpec, case: SourceCase, source: Path, folder: Path) -> CaseRecord:
    _convert_image(case, folder / "imagesTr")
    _convert_label(spec, case, folder / "labelsTr" / f"{case.case}.nii.gz")
    return CaseRecord(
        case=case.case,
        group=spec.group.group_of(case.case),
        split="train",
        source=case.image.relative_to(source).as_posix(),
        sha256=sha256_of(case.image),
        label_source=case.label.relative_to(source).as_posix(),
        label_sha256=sha256_of(case.label),
    )


def _convert_image(case: SourceCase, folder: Path) -> None:
    """Copy a 3D image; split a 4D one into one file a channel."""
    image: Any = nib.load(case.image)
    if len(image.shape) == 3:
        shutil.copyfile(case.image, folder / f"{case.case}_0000.nii.gz")
        return
    for channel in range(image.shape[3]):
        nib.save(image.slicer[..., channel], folder / f"{case.case}_{channel:04d}.nii.gz")


def _convert_label(spec: DatasetSpec, case: SourceCase, target: Path) -> None:
    """Copy a label map; rewrite it as uint8 where its values are mapped or its type is not integer."""
    label, voxels = read_nifti(case.label)
    if spec.label_mapping is None and np.issubdtype(voxels.dtype, np.integer):
        shutil.copyfile(case.label, target)
        return
    mapped = map_labels(voxels, spec.label_mapping).astype(np.uint8)
    header = label.header.copy()
    header.set_data_dtype(np.uint8)
    nib.save(nib.Nifti1Image(mapped, label.affine, header), target)
