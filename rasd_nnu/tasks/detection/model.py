"""A trained detector in one file, with all that predicting takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector

from rasd_nnu.checkpoints.file import atomic_save, host_weights, safe_load
from rasd_nnu.errors import CheckpointError
from rasd_nnu.nnunet.plans import NetworkTarget, target_from_plans
from rasd_nnu.nnunet.results import MODEL
from rasd_nnu.records.detection import Box
from rasd_nnu.tasks.detection.images import Picture
from rasd_nnu.tasks.detection.network import Anchors, build_detector

_VERSION = 1


@dataclass(frozen=True)
class Found:
    """What was found in an image, the best score first.

    Args:
        boxes: In the coordinates of the original image, as in the records.
        scores: From 0 to 1.
        labels: Class numbers.
    """

    boxes: tuple[Box, ...]
    scores: tuple[float, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """A detector.

    Args:
        detector: The detector.
        classes: Names of its classes.
        anchors: Of its pyramid.
        plans, dataset_json, configuration: nnU-Net's, for the preprocessing.
    """

    detector: RetinaNetDetector
    classes: tuple[str, ...]
    anchors: Anchors
    plans: Mapping[str, Any]
    dataset_json: Mapping[str, Any]
    configuration: str

    @property
    def target(self) -> NetworkTarget:
        """The planned network."""
        return target_from_plans(dict(self.plans), dict(self.dataset_json), self.configuration)

    def save(self, folder: Path) -> None:
        """Write ``model.pth`` into ``folder``."""
        network = self.detector.network
        content = {
            "rasd_detector": _VERSION,
            "network_weights": host_weights(network),
            "classes": list(self.classes),
            "anchors": {"scales": list(self.anchors.scales), "shape": list(self.anchors.shape)},
            "low_precision": network.low_precision,
            "plans": {key: value for key, value in self.plans.items() if key != "pretrain_info"},
            "dataset_json": dict(self.dataset_json),
            "configuration": self.configuration,
        }
        atomic_save(content, folder / MODEL)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Read ``model.pth`` from ``folder``.

        Raises:
            CheckpointError: If it is missing, damaged, or no detector.
        """
        path = folder / MODEL
        content = safe_load(path)
        if content.get("rasd_detector") != _VERSION:
            raise CheckpointError(f"{path} is no detector of `rasd_nnu finetune`. Give the folder of one.")
        classes, plans, dataset_json = tuple(content["classes"]), content["plans"], content["dataset_json"]
        target = target_from_plans(plans, dataset_json, content["configuration"])
        anchors = Anchors(tuple(content["anchors"]["scales"]), tuple(content["anchors"]["shape"]))
        detector, _ = build_detector(
            target,
            len(classes),
            anchors,
            seed=0,
            low_precision=content["low_precision"],
        )
        detector.network.load_state_dict(content["network_weights"])
        return cls(detector, classes, anchors, plans, dataset_json, content["configuration"])

    @torch.no_grad()
    def find(self, picture: Picture, device: torch.device) -> Found:
        """Return the boxes in an image of any size, by a sliding window of the plan's patch.

        Args:
            picture: The preprocessed image.
            device: Where to compute.

        Raises:
            CheckpointError: If a score is not finite.
        """
        detector = self.detector.to(device).eval()
        (found,) = detector([picture.image.to(device)], use_inferer=True)
        boxes, scores, labels = (found[key].cpu() for key in ("boxes", "labels_scores", "labels"))
        if not (torch.isfinite(boxes).all() and torch.isfinite(scores).all()):
            raise CheckpointError("the network's boxes or scores are not finite. Train again with a lower rate.")
        order = scores.argsort(descending=True, stable=True)
        return Found(
            tuple(picture.geometry.to_original(boxes[order])),
            tuple(map(float, scores[order])),
            tuple(map(int, labels[order])),
        )
