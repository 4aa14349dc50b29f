"""Samples from label maps of cases: reproducible, deformed, without the cases' appearance, targets kept."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from rasd_nnu.errors import ConfigError, DatasetError
from rasd_nnu.nnunet.plans import planned_target
from rasd_nnu.nnunet.preprocessed import Preprocessed
from rasd_nnu.pretrain.cases import CaseBatches, CaseMaps, CasesModule, open_cases
from rasd_nnu.pretrain.cases.deform import deformed, reach
from rasd_nnu.pretrain.cases.patches import IGNORE, Patches
from rasd_nnu.pretrain.objective import PrototypeDisentangling
from rasd_nnu.pretrain.stream import Share, stream
from rasd_nnu.pretrain.synthesis import SynthesisConfig
from tests.helpers import CASES, NAME, TinyDataset, tiny_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyDataset]:
    with pytest.MonkeyPatch.context() as patch:
        yield tiny_dataset(tmp_path_factory.mktemp("tiny"), patch, preprocess=("3d_fullres", "2d"))


def _cases(configuration: str = "3d_fullres", *, mixed: bool = False) -> CaseMaps:
    target = planned_target(NAME, configuration)
    if configuration == "2d":  # the engine's smallest
        target = dataclasses.replace(target, patch_size=(32, 32))
    return open_cases(target, 0, mixed=mixed)


def _batches(cases: CaseMaps, batch_size: int, rank: int = 0, world_size: int = 1) -> CaseBatches:
    target = cases.target
    config = SynthesisConfig.preset(shape=target.patch_size, classes=3, channels=1)
    return CaseBatches(cases, config, 3, Share(batch_size, rank, world_size), torch.device("cpu"))


@pytest.mark.parametrize("configuration", ["3d_fullres", "2d"])
def test_sample_k_is_the_same_whatever_the_batch_and_the_process(data: TinyDataset, configuration: str) -> None:
    cases = _cases(configuration)
    images, labels = zip(*stream(_batches(cases, 4), 0, 1), strict=True)
    assert images[0].shape == (4, 1, *cases.target.patch_size)
    assert labels[0].shape == (4, 2, *cases.target.patch_size)
    assert images[0].isfinite().all()
    assert set(labels[0][:, 1].unique().tolist()) <= {0, 1, 2}
    parts = [_batches(cases, 4, rank, 2)[0] for rank in (0, 1)]
    assert torch.equal(torch.cat([image for image, _ in parts]), images[0])
    later = _batches(cases, 2)[1]  # samples 2 and 3, without those before
    assert torch.equal(later[0], images[0][2:])
    assert torch.equal(later[1], labels[0][2:])
    assert not torch.equal(images[0][0], images[0][1])


def test_the_targets_are_learned_where_they_are_and_regions_divide_the_rest(data: TinyDataset) -> None:
    regions, targets = _batches(_cases(), 8)[0][1].unbind(1)
    assert (targets > 0).any()
    for region, target in zip(regions, targets, strict=True):
        assert len(region.unique()) > len(target.unique())


def test_every_other_sample_of_mixed_maps_is_the_engines(data: TinyDataset) -> None:
    mixed = _batches(_cases(mixed=True), 4)[0][1][:, 1]
    known = (mixed != IGNORE).flatten(1).any(1)
    assert known.tolist() == [False, True, False, True]


@pytest.mark.parametrize("shape", [(24, 24), (16, 24, 24)])
def test_an_undeformed_patch_is_the_middle(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    for chance in ("_ROTATED", "_SCALED", "_DISPLACED"):
        monkeypatch.setattr(f"rasd_nnu.pretrain.cases.deform.{chance}", 0.0)
    patch = tuple(n - 4 for n in shape)
    label = torch.arange(int(np.prod(shape))).reshape(shape)
    image, new = deformed(label[None].float(), label, patch, (1.0,) * len(shape), torch.Generator().manual_seed(0))
    middle = label[tuple(slice(2, -2) for _ in shape)]
    assert torch.equal(new.flatten().sort().values, middle.flatten().sort().values)  # mirrored, perhaps
    assert torch.allclose(image[0], new.float(), atol=1e-2)


def test_a_rotation_keeps_angles_in_mm(monkeypatch: pytest.MonkeyPatch) -> None:
    for chance, value in (("_ROTATED", 1.0), ("_SCALED", 0.0), ("_DISPLACED", 0.0)):
        monkeypatch.setattr(f"rasd_nnu.pretrain.cases.deform.{chance}", value)
    monkeypatch.setattr("rasd_nnu.pretrain.cases.deform.largest_angle", lambda patch: np.pi)
    spacing = (2.0, 1.0)
    patch = (21, 41)
    rows, columns = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(81.0) - 40, indexing="ij")
    disc = ((rows * 2) ** 2 + columns**2 < 15**2).long()  # a disc in mm stays one
    _, new = deformed(disc[None].float(), disc, patch, spacing, torch.Generator().manual_seed(1))
    middle = disc[10:31, 20:61]
    assert (new != middle).float().mean() < 0.03


def test_patches_keep_the_ignored_voxels_apart_and_find_the_targets(data: TinyDataset) -> None:
    cases = _cases()
    size = reach(cases.target.patch_size)
    patches = Patches(cases.data, cases.fold.train, size, cases.target.patch_size)
    drawn = [patches.draw(np.random.default_rng(k), foreground=1.0) for k in range(8)]
    assert all(image.shape == (1, *size) and label.shape == size for image, label in drawn)
    assert all((label > 0).any() for _, label in drawn)
    assert {int(label.min()) for _, label in drawn} == {0}


def test_the_ignore_label_and_regions(data: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.loads((data.preprocessed / "dataset.json").read_text())
    with monkeypatch.context() as patch:
        ignoring = content | {"labels": {"background": 0, "bright": 1, "ignore": 2}}
        _write(data, ignoring)
        cases = _cases()
        assert cases.classes == 2
        _, label = Patches(cases.data, cases.fold.train, (24,) * 3).draw(np.random.default_rng(0))
        assert set(np.unique(label)) == {IGNORE, 0, 1}
        regions = {"labels": {"background": 0, "whole": [1, 2], "dark": [2]}, "regions_class_order": [1, 2]}
        _write(data, content | regions)
        target = planned_target(NAME, "3d_fullres")
        assert target.labels == {}  # the heads answer for regions: they are not carried
        assert Preprocessed(target).labels.has_regions
        patch.undo()
    _write(data, content)


def _write(data: TinyDataset, content: dict) -> None:
    (data.preprocessed / "dataset.json").write_text(json.dumps(content))


def test_the_loss_counts_known_targets_alone() -> None:
    outputs = torch.randn(2, 5, 8, 8, requires_grad=True)
    module = CasesModule(torch.nn.Identity(), PrototypeDisentangling(), 2, batch_dice=True)
    regions = torch.randint(0, 3, (2, 8, 8))
    targets = torch.randint(0, 2, (2, 8, 8))
    unknown = torch.stack([regions, torch.full_like(targets, IGNORE)], 1)
    plain = module(outputs, unknown)
    assert torch.allclose(plain.total, plain.separation + plain.clustering)
    both = module(outputs, torch.stack([regions, targets], 1))
    assert torch.equal(both.separation, plain.separation)
    half = torch.stack([torch.stack([regions[0], targets[0]]), unknown[1]])
    one = module(outputs[:1], half[:1])
    mixed = module(outputs, half)
    extra = (mixed.total - mixed.separation - mixed.clustering) * 2
    assert torch.allclose(extra, one.total - one.separation - one.clustering, atol=1e-5)
    both.total.backward()
    assert outputs.grad is not None and outputs.grad[:, :2].abs().sum() > 0


def test_what_cases_cannot_teach_is_said(data: TinyDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(*labels: int) -> None:
        load = Preprocessed.load

        def emptied(self: Preprocessed, case: str) -> tuple:
            image, label, properties = load(self, case)
            places = {k: ([] if k in labels else v) for k, v in properties["class_locations"].items()}
            return image, label, properties | {"class_locations": places}

        monkeypatch.setattr(Preprocessed, "load", emptied)

    assert _cases().notes == ()
    with pytest.raises(ConfigError, match="there is no fold 7"):
        open_cases(planned_target(NAME, "3d_fullres"), 7)
    with monkeypatch.context():
        without(2)
        assert "no training case of fold 0 has 'dark'" in _cases().describe()
    without(1, 2)
    with pytest.raises(DatasetError, match="none of the 3 training cases of fold 0"):
        _cases()


def test_one_patient_is_said(data: TinyDataset) -> None:
    rows = ["case,group", *(f"case_{k},somebody" for k in range(CASES))]
    (data.raw / "cases.csv").write_text("\n".join(rows) + "\n")
    assert "all training cases are of one patient" in _cases().describe()
    (data.raw / "cases.csv").unlink()


def test_details_name_cases_and_targets(data: TinyDataset) -> None:
    cases = dataclasses.replace(_cases(), mixed=True)
    details = cases.details()
    assert details["maps"] == "mixed"
    assert details["targets"] == {"background": 0, "bright": 1, "dark": 2}
    assert list(details["seen"]["cases"]) == ["case_0", "case_1", "case_2"]
    assert len({known["image"] for known in details["seen"]["cases"].values()} - {None}) == 3
