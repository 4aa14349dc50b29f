"""A trained detector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.data.box_utils import clip_boxes_to_image
from monai.transforms.croppad.array import SpatialPad
from torch import Tensor

from rasd_nnu.errors import CheckpointError
from rasd_nnu.records.detection import Box
from rasd_nnu.tasks.detection.images import Picture
from rasd_nnu.tasks.detection.network import Anchors, build_detector
from rasd_nnu.tasks.stored import Plan, load_model, load_weights, save_model

KIND = ("rasd_detector", 1)
NOT_FINITE = "the network's outputs are not finite. Train again with a lower rate."


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
        plan: For the preprocessing.
    """

    detector: RetinaNetDetector
    classes: tuple[str, ...]
    anchors: Anchors
    plan: Plan

    def save(self, folder: Path) -> None:
        """Write ``model.pth`` into ``folder``."""
        network = self.detector.network
        own = {
            "classes": list(self.classes),
            "anchors": {"scales": list(self.anchors.scales), "shape": list(self.anchors.shape)},
            "low_precision": network.low_precision,
        }
        save_model(folder, KIND, network, self.plan, own)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Read ``model.pth`` from ``folder``.

        Raises:
            CheckpointError: If it is missing, damaged, or no detector.
        """
        content, plan = load_model(folder, KIND, "detector", ["classes", "anchors", "low_precision"])
        classes, anchors = tuple(content["classes"]), content["anchors"]
        anchors = Anchors(tuple(anchors["scales"]), tuple(anchors["shape"]))
        low_precision = content["low_precision"]
        detector, _ = build_detector(plan.target, len(classes), anchors, seed=0, low_precision=low_precision)
        load_weights(detector.network, content, folder)
        return cls(detector, classes, anchors, plan)

    @torch.no_grad()
    def find(self, picture: Picture, device: torch.device) -> Found:
        """Return the boxes in an image of any size, by a sliding window of the plan's patch.

        A smaller image is padded with zeros at the upper ends, as in training.

        Args:
            picture: The preprocessed image.
            device: Where to compute.

        Raises:
            CheckpointError: If a score is not finite.
        """
        detector = self.detector.to(device).eval()
        assert detector.inferer is not None  # `build_detector` sets it
        padded = SpatialPad(detector.inferer.roi_size, method="end")(picture.image)
        try:
            (found,) = detector([torch.as_tensor(padded).as_subclass(Tensor).to(device)], use_inferer=True)
        except ValueError as error:  # MONAI looks at its maps and boxes
            if "NaN" not in str(error):
                raise
            raise CheckpointError(NOT_FINITE) from None
        clipped, keep = clip_boxes_to_image(found["boxes"].cpu(), picture.image.shape[1:])
        boxes = torch.as_tensor(clipped)
        scores, labels = (found[key].cpu()[keep] for key in ("labels_scores", "labels"))
        if not (torch.isfinite(boxes).all() and torch.isfinite(scores).all()):
            raise CheckpointError(NOT_FINITE)
        order = scores.argsort(descending=True, stable=True)
        return Found(
            tuple(picture.geometry.to_original(boxes[order])),
            tuple(map(float, scores[order])),
            tuple(map(int, labels[order])),
        )
