"""The parts of a detection: geometry, pyramid, augmentation, label maps, scores, and that it learns."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rasd_nnu.checkpoints.file import atomic_save, checkpoint_content
from rasd_nnu.checkpoints.read import open_source
from rasd_nnu.errors import CheckpointError, PlansError
from rasd_nnu.networks.build import build_network
from rasd_nnu.nnunet.plans import NetworkTarget
from rasd_nnu.records import DetectionCase
from rasd_nnu.tasks.detection import train as train_module
from rasd_nnu.tasks.detection.augment import augmentation, augmented
from rasd_nnu.tasks.detection.data import Case
from rasd_nnu.tasks.detection.geometry import Geometry
from rasd_nnu.tasks.detection.images import Picture
from rasd_nnu.tasks.detection.model import Model
from rasd_nnu.tasks.detection.network import Anchors, DecoderPyramid, build_detector, levels_of
from rasd_nnu.tasks.detection.stand_in import filled_boxes
from rasd_nnu.tasks.detection.train import DetectionRecipe, train
from rasd_nnu.tasks.loop import Progress
from rasd_nnu.tasks.stored import Plan
from rasd_nnu.transfer import StartOptions, start
from rasd_nnu.workflows.detection_scores import detection_scores
from tests.helpers import architecture

PLANS = {"image_reader_writer": "NibabelIO", "transpose_forward": [0, 1, 2]}


def _target(dims: int = 2, channels: int = 1, patch: int = 32, **changes: object) -> NetworkTarget:
    return NetworkTarget(architecture(dims, **changes), channels, (patch,) * dims, (1.0,) * dims, 2)


@settings(max_examples=30, deadline=None)
@given(st.permutations([0, 1, 2]), st.lists(st.floats(0, 20), min_size=6, max_size=6))
def test_boxes_find_their_way_back(transpose: list[int], numbers: list[float]) -> None:
    properties = {
        "bbox_used_for_cropping": [[3, 23], [0, 10], [5, 45]],
        "shape_after_cropping_and_before_resampling": (20, 10, 40),
    }
    geometry = Geometry.of((40, 10, 10), properties, {**PLANS, "transpose_forward": transpose}, 3)
    low, high = numbers[:3], [a + b + 1 for a, b in zip(numbers[:3], numbers[3:], strict=True)]
    boxes = geometry.to_network([(*low, *high)])
    assert np.allclose(geometry.to_original(boxes)[0], [*low, *high], atol=1e-4)


def test_the_input_of_the_network_has_rows_first_and_its_own_voxels() -> None:
    properties = {
        "bbox_used_for_cropping": [[0, 1], [10, 30], [0, 80]],
        "shape_after_cropping_and_before_resampling": (1, 20, 80),
    }
    geometry = Geometry.of((1, 10, 20), properties, PLANS, 2)
    assert geometry.to_network([(8, 12, 40, 20)]).tolist() == [[1.0, 2.0, 5.0, 10.0]]
    assert geometry.to_network([]).shape == (0, 4)
    with pytest.raises(PlansError, match="cuts volumes into slices"):
        Geometry.of((5, 10, 20), properties, PLANS, 2)
    with pytest.raises(PlansError, match="turns images around"):
        Geometry.of((1, 10, 20), properties, {**PLANS, "image_reader_writer": "NibabelIOWithReorient"}, 2)


def test_levels_begin_at_the_finest_stride_of_anisotropic_plans() -> None:
    target = _target(3, strides=[[1, 1, 1], [1, 4, 4], [2, 2, 2]], kernel_sizes=[[1, 3, 3], [3, 3, 3], [3, 3, 3]])
    pyramid = DecoderPyramid(build_network(target))
    levels = pyramid(torch.zeros(1, 1, 8, 32, 32))
    assert pyramid.strides == ((1, 4, 4), (2, 8, 8))
    assert [tuple(level.shape[1:]) for level in levels] == [(32, 8, 8, 8), (32, 4, 4, 4)]
    assert levels_of(target) == 2


def test_anchors_span_the_sizes_of_the_boxes() -> None:
    anchors = Anchors.fitted(np.array([[8.0, 16.0], [16.0, 32.0], [32.0, 64.0]] * 20), 3)
    assert np.allclose(np.outer(anchors.scales, anchors.shape), [[8, 16], [16, 32], [32, 64]])


def test_a_network_for_rgb_starts_from_one_channel_and_the_report_says_how(tmp_path: Path) -> None:
    gray, colour = _target(), _target(channels=3)
    network = build_network(gray)
    atomic_save(checkpoint_content(network, gray, {"seed": 0, "iterations": 1}), tmp_path / "gray.pth")
    detector, planned = build_detector(colour, 2, Anchors((8.0,), (1.0, 1.0)), seed=0)
    report = start(open_source(tmp_path / "gray.pth"), colour, planned, StartOptions(transfer="encoder"))
    stem = next(e for e in report.entries if e.action == "adapted")
    assert stem.shape[1] == 3
    assert stem.reason == "input channels 1 -> 3: their sum, 1/3 for each"
    weights = detector.network.feature_extractor.encoder.state_dict()["stages.0.0.convs.0.conv.weight"]
    original = network.state_dict()["encoder.stages.0.0.convs.0.conv.weight"]
    assert torch.allclose(weights.sum(1, keepdim=True), original, atol=1e-6)


def test_boxes_follow_their_image_through_augmentation() -> None:
    """Find the bright rectangle again where the box says, however it was turned, and pad what is too small."""
    transforms = augmentation(_target(patch=24), None)
    transforms.set_random_state(0)
    image = torch.zeros(1, 20, 40)
    image[:, 4:8, 10:24] = 100.0
    boxes, labels = torch.tensor([[4.0, 10.0, 8.0, 24.0]]), torch.tensor([1])
    kept = 0
    for _ in range(40):
        patch, moved, classes = augmented(transforms, image, boxes, labels)
        assert patch.shape == (1, 24, 24)
        assert len(moved) == len(classes)
        for box in moved:
            y1, x1, y2, x2 = (int(v) for v in box)
            assert patch[0, y1:y2, x1:x2].median() > patch.median() + 10
            kept += 1
    assert kept > 10
    *_, none = augmented(transforms, image, torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    assert none.shape == (0,)


def test_small_boxes_are_filled_over_large_ones() -> None:
    case = Case("a", "a", "train", (6, 5), ((1, 1, 3, 2), (0, 0, 6, 5)), (1, 0))
    label = filled_boxes(case)
    assert label.shape == (5, 6)
    assert label[1, 1:3].tolist() == [2, 2]
    assert (label == 1).sum() == 28


def test_scores_have_their_known_values() -> None:
    two = ((0.0, 0.0, 10.0, 10.0), (20.0, 20.0, 30.0, 30.0))
    found = (*two[:1], (50.0, 50.0, 60.0, 60.0), (20.0, 20.0, 30.0, 25.0))
    first = DetectionCase(
        case="a", group="a", boxes_true=two, labels_true=(0, 0), boxes=found, scores=(0.9, 0.8, 0.7), labels=(0, 0, 0)
    )
    nothing = DetectionCase(case="b", group="b", boxes_true=(), labels_true=(), boxes=(), scores=(), labels=())
    scores = detection_scores([first, nothing], ["cell", "other"])
    assert scores["classes"]["other"] is None
    assert scores["iou"] == pytest.approx(0.5)  # of the two boxes with the best scores, one is right
    assert scores["ap_0.1"] == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert scores["ap_0.5"] == pytest.approx(scores["ap_0.1"])
    # One of two is found below half a false positive an image, from there on both.
    assert scores["froc"] == pytest.approx((0.5 + 0.5 + 5) / 7)
    silent = first.model_copy(update={"boxes": (), "scores": (), "labels": ()})
    assert detection_scores([silent], ["cell"])["iou"] == 0
    assert detection_scores([silent], ["cell"])["froc"] == 0


class _Bars:
    """Dark images with a bright bar, wide or high, on noise; two voxels of the original to one of the input."""

    def __getitem__(self, name: str) -> Picture:
        rng = np.random.default_rng(int(name))
        image = rng.normal(0, 0.3, (1, 48, 40)).astype(np.float32)
        box = _bar(name)
        image[:, box[1] // 2 : box[3] // 2, box[0] // 2 : box[2] // 2] += 2
        return Picture(torch.from_numpy(image), Geometry((0, 1, 2), (0.0, 0.0, 0.0), (1.0, 0.5, 0.5), 2))


def _bar(name: str) -> tuple[int, int, int, int]:
    rng = np.random.default_rng([int(name), 1])
    width, height = ((36, 16), (16, 36))[int(name) % 2]
    x, y = 2 * rng.integers(0, (80 - width) // 2), 2 * rng.integers(0, (96 - height) // 2)
    return int(x), int(y), int(x) + width, int(y) + height


def test_it_learns_to_find_bars_in_the_original_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_module, "LEAST_PATCHES", 200)
    target = dataclasses.replace(_target(), architecture=architecture(2, (4, 8, 16, 16)))
    names = [str(i) for i in range(12)]
    cases = [Case(n, n, "train", (80, 96), (tuple(map(float, _bar(n))),), (int(n) % 2,)) for n in names]  # type: ignore[arg-type]
    anchors = Anchors.fitted(np.array([[8.0, 18.0], [18.0, 8.0]] * 6), levels_of(target))
    detector, _ = build_detector(target, 2, anchors, seed=0)
    recipe = DetectionRecipe(epochs=2, lr=3e-3, mirror=())
    train(
        detector, target, cases[:10], _Bars(), recipe, torch.device("cpu"), Progress(tmp_path / "state.pth", names[:10])
    )
    model = Model(detector, ("wide", "high"), anchors, Plan({}, {}, "2d"))
    small = Picture(torch.zeros(1, 9, 40), Geometry((0, 1, 2), (0.0, 0.0, 0.0), (1.0, 0.5, 0.5), 2))
    found = model.find(small, torch.device("cpu"))  # smaller than the patch
    assert all(0 <= y1 < y2 <= 18 and 0 <= x1 < x2 <= 80 for x1, y1, x2, y2 in found.boxes)  # type: ignore[misc]
    records = []
    for case in cases:
        found = model.find(_Bars()[case.name], torch.device("cpu"))
        records.append(
            DetectionCase(
                case=case.name,
                group=case.group,
                boxes_true=case.boxes,
                labels_true=case.labels,
                boxes=found.boxes,
                scores=found.scores,
                labels=found.labels,
            )
        )
    assert detection_scores(records, model.classes)["iou"] > 0.5
    with torch.no_grad():
        next(detector.network.parameters()).fill_(float("nan"))
    with pytest.raises(CheckpointError, match="outputs are not finite"):
        model.find(_Bars()["0"], torch.device("cpu"))
