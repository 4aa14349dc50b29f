from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.errors import CheckpointError, PlansError
from rasd_nnu.features.images import case_of
from rasd_nnu.features.network import FeatureNetwork
from rasd_nnu.features.preprocessing import Preprocessing, preprocessing_for
from tests.features.parts import blobs, image_of, of_nnunet, ours
from tests.helpers import architecture, tiny_dataset, tiny_plans


def network_of(path: Path, **options: object) -> FeatureNetwork:
    source = open_source(path)
    return FeatureNetwork(source, preprocessing_for(source), **options)  # type: ignore[arg-type]


def test_an_image_of_one_patch_is_one_pass(tmp_path: Path) -> None:
    network = network_of(ours(tmp_path / "a.pth"))
    image = torch.randn(1, 8, 8, 8)
    assert torch.allclose(network.dense(image), network.network(image[None])[0], atol=1e-5)
    assert network.dense(torch.randn(1, 13, 5, 9)).shape == (6, 13, 5, 9)


def test_in_two_dimensions_slice_by_slice(tmp_path: Path) -> None:
    network = network_of(ours(tmp_path / "a.pth", dims=2))
    volume = torch.randn(1, 3, 8, 8)
    found = network.dense(volume)
    assert found.shape == (6, 3, 8, 8)
    assert torch.allclose(found[:, 1], network.network(volume[:, 1][None])[0], atol=1e-5)
    picture = case_of([image_of(blobs((1, 8, 10))[0])], "a")
    assert network.in_own_space(picture).shape == (6, 1, 8, 10)


def test_features_of_a_segmentation_network_come_before_its_last_layer(tmp_path: Path) -> None:
    network = network_of(of_nnunet(tmp_path / "a.pth"))
    image = torch.randn(1, 16, 16, 16)
    features = network.dense(image)
    assert features.shape[0] == 4
    scores = network.network.decoder.seg_layers[-1](features[None])  # type: ignore[union-attr, index, operator]
    assert torch.allclose(scores, network.network(image[None]), atol=1e-4)


def test_untrained_is_the_same_network_with_seeded_weights(tmp_path: Path) -> None:
    path, image = ours(tmp_path / "a.pth", seed=5), torch.randn(1, 8, 8, 8)
    found = [network_of(path, untrained=seed).dense(image) for seed in (0, 0, 1)] + [network_of(path).dense(image)]
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])
    assert not torch.allclose(found[0], found[3])


def test_incomplete_or_undescribed_weights_are_refused(tmp_path: Path) -> None:
    content = torch.load(ours(tmp_path / "a.pth"), weights_only=True)
    content["network_weights"] = {k: v for k, v in content["network_weights"].items() if "transpconvs" not in k}
    torch.save(content, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match=r"Features need encoder and decoder\.$"):
        network_of(tmp_path / "b.pth")
    torch.save({"network_weights": {"x": torch.ones(2)}}, tmp_path / "c.pth")
    with pytest.raises(CheckpointError, match="does not describe its network"):
        network_of(tmp_path / "c.pth")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_there_and_back(order: tuple[int, int, int]) -> None:
    plans = tiny_plans()
    plans["transpose_forward"], plans["transpose_backward"] = list(order), [order.index(i) for i in range(3)]
    plans["configurations"]["3d_fullres"]["spacing"] = [[2.0, 1.0, 1.5][i] for i in order]
    preprocessing = Preprocessing(plans, "3d_fullres")
    assert preprocessing.spacing == (2.0, 1.0, 1.5)
    array = np.zeros((12, 20, 16), np.float32)
    array[2:10, 4:20] = blobs((8, 16, 16)) + 2
    case = case_of([image_of(array, (1.5, 1.0, 1.0))], "a")
    prepared = preprocessing.prepare(case)
    assert prepared.image.shape[1:] == tuple((4, 16, 16)[i] for i in order)
    back = preprocessing.back(prepared.image, prepared)
    assert back.shape == (1, 12, 20, 16)
    assert not back[0, :2].any() and not back[0, :, :4].any()
    inside = array[2:10, 4:]
    assert np.corrcoef(inside.ravel(), back[0, 2:10, 4:].ravel())[0, 1] > 0.99
    labels = preprocessing.labels((array > 2.3).astype(np.uint8), prepared)
    assert labels.shape == tuple(prepared.image.shape[1:])
    assert prepared.image[0].numpy()[labels == 1].min() > np.median(prepared.image[0].numpy())


def test_the_planned_preprocessing_is_nnunets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rasd_nnu.features.images import read_case
    from rasd_nnu.nnunet.plans import planned_target
    from rasd_nnu.nnunet.preprocessed import Preprocessed

    data = tiny_dataset(tmp_path, monkeypatch, preprocess=("3d_fullres",))
    source = open_source(ours(tmp_path / "a.pth", architecture=architecture(3)))
    preprocessing = preprocessing_for(source, data.name, "3d_fullres")
    found = preprocessing.prepare(read_case(data.raw / "imagesTr" / "case_0_0000.nii.gz", 1))
    expected = Preprocessed(planned_target(data.name, "3d_fullres")).load("case_0")[0][:]
    assert np.allclose(found.image.numpy(), expected)
    with pytest.raises(PlansError, match="is 2D"):
        preprocessing_for(source, data.name, "2d")
    with pytest.raises(PlansError, match="needs a configuration"):
        preprocessing_for(source, data.name)


def test_unknown_intensities_are_refused(tmp_path: Path) -> None:
    content = torch.load(ours(tmp_path / "a.pth"), weights_only=True)
    content["rasd"]["normalization"] = ["CTNormalization"]
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="--dataset"):
        preprocessing_for(open_source(tmp_path / "a.pth"))
