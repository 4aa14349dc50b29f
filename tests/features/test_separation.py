from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch

from rasd_nnu.errors import DatasetError, SetupError
from rasd_nnu.features.points import Points, collect, region_points, voxel_points
from rasd_nnu.features.projection import colours, fit_projection
from rasd_nnu.features.separation import embed, separation


def points(distance: float, cases: int = 5, each: int = 12) -> Points:
    generator = np.random.default_rng(0)
    classes = np.tile(np.repeat(["a", "b"], each), cases)
    values = generator.normal(size=(len(classes), 4)) + np.where(classes == "a", distance, -distance)[:, None]
    return Points(
        "voxels", values.astype(np.float32), classes, np.repeat([f"case {i}" for i in range(cases)], 2 * each)
    )


def test_numbers_of_what_separates_and_what_does_not() -> None:
    apart, mixed = separation(points(5.0)), separation(points(0.0))
    assert apart.silhouette > 0.9 and apart.probe == 1.0
    assert abs(mixed.silhouette) < 0.1 and abs(mixed.probe - 0.5) < 0.2
    assert (apart.points, apart.classes, apart.cases, apart.chance) == (120, 2, 5, 0.5)


def test_the_probe_is_judged_on_other_cases() -> None:
    """Features that tell the case, in which the classes are mirrored, do not tell the class of another case."""
    found = points(0.0, cases=2)
    sign = np.where(found.groups == "case 0", 1, -1) * np.where(found.classes == "a", 1, -1)
    values = np.stack([sign, found.groups == "case 0"], axis=1).astype(np.float32)
    assert separation(Points("voxels", values, found.classes, found.groups)).probe == 0.0


@pytest.mark.parametrize("cases", [1, 2])
def test_too_few(cases: int) -> None:
    found = points(1.0, cases=cases)
    if cases == 2:
        found = Points("cases", found.values, np.full(len(found.classes), "a"), found.groups)
    with pytest.raises(DatasetError, match="expected two classes or more, each in two cases or more"):
        separation(found)


def test_points_are_of_their_labels() -> None:
    labels = np.zeros((4, 4, 4), np.int64)
    labels[0], labels[1] = 2, -1
    features = (
        torch.from_numpy(labels).float()[None].repeat(3, 1, 1, 1) * torch.tensor([1.0, 2, 3])[:, None, None, None]
    )
    values, drawn = voxel_points(features, labels, 7, np.random.default_rng(0))
    assert np.array_equal(np.unique(drawn, return_counts=True), [[0, 2], [7, 7]])
    assert np.array_equal(values, drawn[:, None] * np.array([[1, 2, 3]]))
    means, order = region_points(features, labels)
    assert np.array_equal(order, [0, 2]) and np.array_equal(means, [[0, 0, 0], [2, 4, 6]])
    joined = collect("regions", [("x", means, order), ("y", means, order)], {"2": "liver"})
    assert list(joined.classes) == ["0", "liver", "0", "liver"] and list(joined.groups) == ["x", "x", "y", "y"]


def test_two_dimensions_keep_what_is_together() -> None:
    found = points(5.0)
    places = embed(found.values, seed=1)
    assert places.shape == (120, 2) and np.array_equal(places, embed(found.values, seed=1))
    a, b = places[found.classes == "a"], places[found.classes == "b"]
    assert np.linalg.norm(a.mean(0) - b.mean(0)) > 2 * np.linalg.norm(a - a.mean(0), axis=1).mean()


@pytest.mark.skipif(importlib.util.find_spec("umap") is not None, reason="UMAP is installed")
def test_a_missing_umap_is_named() -> None:
    with pytest.raises(SetupError, match="umap-learn"):
        embed(np.eye(5, dtype=np.float32), "umap")


def test_components_are_those_of_an_svd() -> None:
    values = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32) * np.array(
        [5, 3, 1, 0.5, 0.1], np.float32
    )
    found = fit_projection(values, 2)
    _, singular, directions = np.linalg.svd(values - values.mean(0), full_matrices=False)
    assert np.allclose(np.abs((found.directions.numpy() @ directions[:2].T).diagonal()), 1, atol=1e-4)
    assert np.allclose(found.explained, singular[:2] ** 2 / (singular**2).sum(), atol=1e-5)
    volume = torch.from_numpy(values.T.reshape(5, 2, 10, 10).copy())
    assert np.allclose(found.of(volume).flatten(1).std(1).numpy(), singular[:2] / np.sqrt(199), rtol=1e-3)
    shown = colours(found.of(volume)[:, 0].numpy())
    assert shown.shape == (10, 10, 3) and shown.min() == 0 and shown.max() == 1
