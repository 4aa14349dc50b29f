"""A trained classifier in one file, with all that predicting takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rasd_nnu.checkpoints.file import atomic_save, host_weights, safe_load
from rasd_nnu.errors import CheckpointError, DatasetError
from rasd_nnu.nnunet.plans import NetworkTarget, target_from_plans
from rasd_nnu.nnunet.results import MODEL
from rasd_nnu.tasks.classification.data import Images, Questions, fixed_size
from rasd_nnu.tasks.classification.network import EncoderClassifier, build_classifier
from rasd_nnu.tasks.classification.train import probabilities

_VERSION = 2


@dataclass(frozen=True)
class Model:
    """A classifier.

    Args:
        network: The network.
        questions: What it answers.
        thresholds: Output -> threshold of its probability that was fixed in training.
        plans, dataset_json, configuration: nnU-Net's, for the preprocessing.
    """

    network: EncoderClassifier
    questions: Questions
    thresholds: dict[str, float]
    plans: Mapping[str, Any]
    dataset_json: Mapping[str, Any]
    configuration: str

    @property
    def target(self) -> NetworkTarget:
        """The planned network."""
        return target_from_plans(dict(self.plans), dict(self.dataset_json), self.configuration)

    def save(self, folder: Path) -> None:
        """Write ``model.pth`` into ``folder``."""
        plans = {key: value for key, value in self.plans.items() if key != "pretrain_info"}
        content = {
            "rasd_classifier": _VERSION,
            "network_weights": host_weights(self.network),
            "questions": list(self.questions.names),
            "classes": [list(own) for own in self.questions.classes],
            "thresholds": self.thresholds,
            "plans": plans,
            "dataset_json": dict(self.dataset_json),
            "configuration": self.configuration,
            "series": self.network.attention is not None,
        }
        atomic_save(content, folder / MODEL)

    @classmethod
    def load(cls, folder: Path) -> Model:
        """Read ``model.pth`` from ``folder``.

        Raises:
            CheckpointError: If it is missing, damaged, or no classifier.
        """
        path = folder / MODEL
        content = safe_load(path)
        if content.get("rasd_classifier") != _VERSION:
            raise CheckpointError(f"{path} is no classifier of `rasd_nnu finetune`. Give the folder of one.")
        questions = Questions(tuple(content["questions"]), tuple(tuple(own) for own in content["classes"]))
        plans, dataset_json, configuration = content["plans"], content["dataset_json"], content["configuration"]
        target = target_from_plans(plans, dataset_json, configuration)
        network, _ = build_classifier(target, len(questions.outputs), 0.0, seed=0, series=content["series"])
        network.load_state_dict(content["network_weights"])
        return cls(network, questions, content["thresholds"], plans, dataset_json, configuration)

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
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        self._files, self._dataset_json = files, dict(model.dataset_json)
        self._plans = PlansManager(dict(model.plans))
        self._configuration = self._plans.get_configuration(model.configuration)
        self._preprocessor = self._configuration.preprocessor_class(verbose=False)
        self._size = model.target.patch_size

    def __getitem__(self, name: str) -> Tensor:
        """Return ``(C, *size)`` float32.

        Raises:
            DatasetError: If a file cannot be read.
        """
        try:
            image = self._preprocessor.run_case(
                list(self._files[name]), None, self._plans, self._configuration, self._dataset_json
            )[0]
        except Exception as error:  # every image library has its own
            raise DatasetError(
                f"cannot read {self._files[name][0]} ({type(error).__name__}: {error}). Check the file."
            ) from None
        return fixed_size(torch.from_numpy(np.asarray(image, np.float32)), self._size)
