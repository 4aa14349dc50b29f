from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from rasd_nnu.dataset_specs.registry import get_spec
from rasd_nnu.dataset_specs.schema import DatasetSpec
from tests.dataset_specs.bad_input import Scene

SHAPE = (6, 7, 5)
Writer = Callable[..., Path]


@pytest.fixture
def spec() -> DatasetSpec:
    return get_spec("msd04_hippocampus")


@pytest.fixture
def save() -> Writer:
    """Write voxels as NIfTI; `spacing` in mm, `origin` of the first voxel in mm."""

    def write(
        file: Path, voxels: np.ndarray, spacing: tuple[float, ...] = (1, 1, 1), origin: tuple[float, ...] = (0, 0, 0)
    ) -> Path:
        affine = np.diag([*spacing, 1.0])
        affine[:3, 3] = origin
        nib.save(nib.Nifti1Image(voxels, affine), file)
        return file

    return write


@pytest.fixture
def release(tmp_path: Path, save: Writer) -> Path:
    """A tiny release in the layout of the Decathlon: ten cases, hence five persons."""
    folder = tmp_path / "official" / "Task04_Hippocampus"
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = [f"hippocampus_{index:03d}" for index in range(1, 11)]
    for name in names:
        save(folder / "imagesTr" / f"{name}.nii.gz", rng.normal(100, 20, SHAPE).astype(np.float32))
        save(folder / "labelsTr" / f"{name}.nii.gz", rng.integers(0, 3, SHAPE).astype(np.uint8))
    write_listing(folder, names)
    return folder


def write_listing(folder: Path, names: list[str], **changes: object) -> None:
    """Write dataset.json as the Decathlon does."""
    content = {
        "modality": {"0": "MRI"},
        "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
        "training": [
            {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in reversed(names)
        ],
    }
    (folder / "dataset.json").write_text(json.dumps(content | changes))


@pytest.fixture
def relist() -> Callable[..., None]:
    return write_listing


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Scene:
    monkeypatch.setenv("nnUNet_raw", str(tmp_path / "raw"))
    return Scene(tmp_path, capsys)
