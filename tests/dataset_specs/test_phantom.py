from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from rasd_nnu.dataset_specs.phantom import make_case, write_phantom
from rasd_nnu.errors import DatasetError


def test_case_is_the_same_for_the_same_seed_and_index() -> None:
    for a, b in zip(make_case(3, 1), make_case(3, 1), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(make_case(3, 1)[0][:30], make_case(4, 1)[0][:30])


@pytest.mark.parametrize("index", range(4))
def test_anatomy(index: int) -> None:
    image, label = make_case(0, index)
    assert image.shape == label.shape
    assert np.all(np.abs(np.array(image.shape) - (36, 50, 35)) <= 3)
    assert np.unique(label).tolist() == [0, 1, 2]
    assert ndimage.label(label > 0, np.ones((3, 3, 3)))[1] == 1
    front, rear = (ndimage.center_of_mass(label == value) for value in (1, 2))
    assert front[1] > rear[1]  # the second axis runs to the front
    assert np.any(ndimage.binary_dilation(label == 1) & (label == 2))  # the two parts touch


def test_intensities_tell_target_from_surroundings() -> None:
    image, label = make_case(0, 0)
    around = ndimage.binary_dilation(label > 0, iterations=4) & ~ndimage.binary_dilation(label > 0, iterations=2)
    assert 0.6 < image[label > 0].mean() / image[around].mean() < 0.95
    assert image[label > 0].std() > 20  # noise


def test_data_set_is_complete(tmp_path: Path) -> None:
    prepared = write_phantom(tmp_path, cases=5, seed=1)
    assert prepared.path == tmp_path / "Dataset900_Phantom"
    assert len(list((prepared.path / "imagesTr").glob("phantom_*_0000.nii.gz"))) == 5
    assert len(list((prepared.path / "labelsTr").glob("phantom_*.nii.gz"))) == 5
    assert len(json.loads((prepared.path / "splits_final.json").read_text())) == 5
    with (prepared.path / "cases.csv").open(newline="") as stream:
        assert [row["case"] for row in csv.DictReader(stream)] == list(prepared.cases)


def test_existing_phantom_needs_overwrite(tmp_path: Path) -> None:
    write_phantom(tmp_path, id=901, cases=5)
    with pytest.raises(DatasetError, match="Dataset901_Phantom exists"):
        write_phantom(tmp_path, id=901, cases=6)
    assert len(write_phantom(tmp_path, id=901, cases=6, overwrite=True).cases) == 6


@pytest.mark.parametrize(("id", "cases"), [(900, 4), (0, 10), (1000, 10)])
def test_impossible_phantom(tmp_path: Path, id: int, cases: int) -> None:
    with pytest.raises(DatasetError, match="at least 5 cases and an id of 1 to 999"):
        write_phantom(tmp_path, id=id, cases=cases)
