"""A trained classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from rasd_nnu.tasks.classification.data import Images, Questions, fixed_size
from rasd_nnu.tasks.classification.network import EncoderClassifier, build_classifier
from rasd_nnu.tasks.classification.train import probabilities
from rasd_nnu.tasks.images import Preprocessor
from rasd_nnu.tasks.stored import Names, Plan, Stored, load_model, load_weights, save_model

KIND = ("rasd_classifier", 2)


class _Stored(Stored):
    """What the file of a classifier holds."""

    questions: Names
    classes: list[Names]
    thresholds: dict[str, Annotated[float, Field(ge=0, le=1)]]
    series: bool

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.classes) != len(self.questions) or any(len(own) < 2 for own in self.classes):
            raise ValueError("it has not two classes or more for each question")
        if set(self.thresholds) != set(self.questions if len(self.questions) > 1 else self.classes[0]):
            raise ValueError("it has not one threshold for each output")
        return self


@dataclass(frozen=True)
class Model:
    """A classifier.

    Args:
        network: The network.
        questions: What it answers.
        thresholds: Output -> threshold of its probability that was fixed in training.
        plan: For the preprocessing.
    """

    network: EncoderClassifier
    questions: Questions
    thresholds: dict[str, float]
    plan: Plan

    def save(self, folder: Path) -> None:
        """Write ``model.pth`` into ``folder``."""
        own = {
            "questions": list(self.questions.names),
            "classes": [list(own) for own in self.questions.classes],
            "thresholds": self.thresholds,
            "series": self.network.attention is not None,
        }
        save_model(folder, KIND, self.network, self.plan, own)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Read ``model.pth`` from ``folder``.

        Raises:
            CheckpointError: If it is missing, damaged, or no classifier.
        """
        said, weights = load_model(folder, KIND, "classifier", _Stored)
        questions = Questions(tuple(said.questions), tuple(tuple(own) for own in said.classes))
        network, _ = build_classifier(said.plan.target, len(questions.outputs), 0.0, seed=0, series=said.series)
        load_weights(network, weights, folder)
        return cls(network, questions, said.thresholds, said.plan)

    def predict(self, files: Mapping[str, Sequence[str]], device: torch.device) -> np.ndarray:
        """Return probabilities ``(cases, outputs)`` of images from files.

        Args:
            files: Case -> the files of its channels, in order.
            device: Where to compute.
        """
        images = FileImages(files, self)
        return probabilities(self.network, list(files), images, self.questions, device)


class FileImages(Images):
    """Images that are preprocessed from their files when asked for.

    Args:
        files: Case -> the files of its channels.
        model: Whose preprocessing it is.
    """

    def __init__(self, files: Mapping[str, Sequence[str]], model: Model) -> None:
        self._preprocess = Preprocessor(files, model.plan)
        self._size = model.plan.target.patch_size

    def __getitem__(self, name: str) -> Tensor:
        """Return ``(C, *size)`` float32.

        Raises:
            DatasetError: If a file cannot be read, or the image has values that are not finite.
        """
        return fixed_size(torch.from_numpy(self._preprocess(name)[0]), self._size)
