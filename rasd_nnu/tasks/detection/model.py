"""A trained detector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.data.box_utils import clip_boxes_to_image
from monai.transforms.croppad.array import SpatialPad
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from rasd_nnu.errors import CheckpointError
from rasd_nnu.nnunet.results import MODEL
from rasd_nnu.records.detection import Box
from rasd_nnu.tasks.detection.images import Picture
from rasd_nnu.tasks.detection.network import Anchors, build_detector, levels_of
from rasd_nnu.tasks.stored import Names, Plan, Stored, load_model, load_weights, save_model

KIND = ("rasd_detector", 1)
NOT_FINITE = "the network's outputs are not finite. Train again with a lower rate."
_Edges = Annotated[list[Annotated[float, Field(gt=0, le=1e4)]], Field(min_length=1, max_length=16)]


class _Anchors(BaseModel):
    model_config = ConfigDict(strict=True)

    scales: _Edges
    shape: _Edges


class _Stored(Stored):
    """What the file of a detector holds."""

    classes: Names
    anchors: _Anchors
    low_precision: bool


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
        said, weights = load_model(folder, KIND, "detector", _Stored)
        target, scales, shape = said.plan.target, tuple(said.anchors.scales), tuple(said.anchors.shape)
        if len(shape) != target.dims or len(scales) != levels_of(target):
            raise CheckpointError(f"{folder / MODEL} has anchors of another network than its plans'. Train again.")
        anchors, classes = Anchors(scales, shape), tuple(said.classes)
        detector, _ = build_detector(target, len(classes), anchors, seed=0, low_precision=said.low_precision)
        load_weights(detector.network, weights, folder)
        return cls(detector, classes, anchors, said.plan)

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
