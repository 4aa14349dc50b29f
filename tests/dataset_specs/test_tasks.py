"""Every task of the paper, from a tiny release in its official layout to a prepared data set, voxel by voxel."""

from __future__ import annotations

import csv
import json
import multiprocessing.pool
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from rasd_nnu.dataset_specs.check import check
from rasd_nnu.dataset_specs.prepare import prepare
from rasd_nnu.dataset_specs.registry import get_spec
from rasd_nnu.dataset_specs.schema import DatasetSpec
from tests.dataset_specs.fixtures import classifications, fundus, mammography, pathology, ultrasound, volumes, xray
from tests.dataset_specs.fixtures.common import MAKERS, Cases

FOLDS_NEED = 5
KEYS = sorted(MAKERS)
MODULES = (
    classifications,
    fundus,
    mammography,
    pathology,
    ultrasound,
    volumes,
    xray,
)  # importing them registers their makers


def release_of(spec: DatasetSpec, folder: Path) -> tuple[Path, Cases]:
    """Write the fixture of a task; of a release with several tasks, keep the cases of this one."""
    root = folder / spec.key / spec.layout.folder
    root.mkdir(parents=True)
    cases = MAKERS[spec.key](root)
    if spec.key in ("whs_ct", "whs_mr"):
        cases = {case: expected for case, expected in cases.items() if case.startswith(spec.key[-2:])}
    return root, cases


def read(path: Path) -> np.ndarray:
    """Read a prepared file as ``(C, Z, Y, X)``, with the libraries that nnU-Net uses."""
    if path.suffix == ".png":
        pixels = np.asarray(Image.open(path))
        return pixels[None, None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)[:, None]
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[None]


def verify(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run nnU-Net's own check, in this process: its pool of fresh ones would import torch for every data set."""
    from nnunetv2.experiment_planning import verify_dataset_integrity as module

    context = SimpleNamespace(Pool=multiprocessing.pool.ThreadPool)
    with monkeypatch.context() as patch:
        patch.setattr(module.multiprocessing, "get_context", lambda kind: context)
        module.verify_dataset_integrity(str(folder), num_processes=1)


@pytest.mark.parametrize("key", KEYS)
def test_from_release_to_data_set(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = get_spec(key)
    source, expected = release_of(spec, tmp_path)
    report = check(spec, source, voxels=True)
    assert not report.problems
    assert not [line for line in report.warnings if line.startswith("fold")]  # no fold of the default split leaks
    prepared = prepare(spec, source, tmp_path / "raw")
    assert prepared.cases == tuple(sorted(expected))
    with (prepared.path / "cases.csv").open(newline="") as stream:
        rows = {row["case"]: row for row in csv.DictReader(stream)}
    boxes = boxes_of(prepared.path)
    for case, truth in expected.items():
        row = rows[case]
        assert (row["group"], row["split"]) == (truth.group, "test" if truth.test else "train")
        files = sorted((prepared.path / row["image"]).parent.glob(f"{case}_[0-9][0-9][0-9][0-9]{spec.file_ending}"))
        assert prepared.path / row["image"] == files[0]
        np.testing.assert_array_equal(np.concatenate([read(file) for file in files]), truth.image)
        if truth.label is not None:
            label = prepared.path / f"labels{'Ts' if truth.test else 'Tr'}" / f"{case}{spec.file_ending}"
            np.testing.assert_array_equal(read(label)[0], truth.label)
        assert {column: int(row[column]) for column in truth.classes} == truth.classes
        assert boxes.get(case, []) == truth.boxes
    if spec.task == "segmentation":
        verify(prepared.path, monkeypatch)


def boxes_of(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    if not (folder / "boxes.json").is_file():
        return {}
    content = json.loads((folder / "boxes.json").read_text())
    names = {entry["id"]: entry["name"] for entry in content["categories"]}
    cases = {entry["id"]: entry["case"] for entry in content["images"]}
    boxes: dict[str, list[tuple[Any, ...]]] = {case: [] for case in cases.values()}
    for entry in content["annotations"]:
        boxes[cases[entry["image_id"]]].append((names[entry["category_id"]], *entry["bbox"]))
    return boxes
