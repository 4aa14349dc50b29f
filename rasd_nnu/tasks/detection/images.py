"""Preprocessed images with their boxes, from nnU-Net's preprocessed cases or straight from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from rasd_nnu.errors import DatasetError
from rasd_nnu.tasks.detection.geometry import Geometry


@dataclass(frozen=True)
class Picture:
    """An image as the network sees it.

    Args:
        image: ``(C, *S)`` float32.
        geometry: Leads back to the original image.
    """

    image: Tensor
    geometry: Geometry


class Images(Protocol):
    """Gives a case's picture when asked for, so that large data sets need not fit into memory."""

    def __getitem__(self, name: str) -> Picture:
        """Return the picture of a case."""


class PreprocessedImages:
    """Images that nnU-Net has preprocessed.

    Args:
        dataset: nnU-Net's reader of preprocessed cases.
        plans: nnU-Net's plans.
        dims: Axes of the plan's patch.
    """

    def __init__(self, dataset: Any, plans: Mapping[str, Any], dims: int) -> None:
        self._dataset, self._plans, self._dims = dataset, plans, dims

    def __getitem__(self, name: str) -> Picture:
        """Read a case.

        Raises:
            DatasetError: If it cannot be read, or has values that are not finite.
        """
        try:
            data, *_, properties = self._dataset.load_case(name)
            image = np.asarray(data[:], dtype=np.float32)
        except Exception as error:  # blosc, pickle and the file system each have their own
            raise DatasetError(
                f"cannot read the preprocessed case {name!r} ({type(error).__name__}: {error}). Preprocess again."
            ) from None
        return _picture(name, image, properties, self._plans, self._dims)


class FileImages:
    """Images that are preprocessed from their files.

    Args:
        files: Case -> the files of its channels.
        plans, dataset_json, configuration: nnU-Net's.
        dims: Axes of the plan's patch.
    """

    def __init__(
        self,
        files: Mapping[str, Sequence[str]],
        plans: Mapping[str, Any],
        dataset_json: Mapping[str, Any],
        configuration: str,
        dims: int,
    ) -> None:
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        self._files, self._dataset_json, self._dims = files, dict(dataset_json), dims
        self._plans = PlansManager(dict(plans))
        self._configuration = self._plans.get_configuration(configuration)
        self._preprocessor = self._configuration.preprocessor_class(verbose=False)

    def __getitem__(self, name: str) -> Picture:
        """Read and preprocess a case.

        Raises:
            DatasetError: If a file cannot be read, or the image has values that are not finite.
        """
        files = list(self._files[name])
        try:
            image, _, properties = self._preprocessor.run_case(
                files, None, self._plans, self._configuration, self._dataset_json
            )
        except Exception as error:  # every image library has its own
            raise DatasetError(f"cannot read {files[0]} ({type(error).__name__}: {error}). Check the file.") from None
        return _picture(name, np.asarray(image, np.float32), properties, self._plans.plans, self._dims)


def _picture(
    name: str, image: np.ndarray, properties: Mapping[str, Any], plans: Mapping[str, Any], dims: int
) -> Picture:
    if not np.isfinite(image).all():
        raise DatasetError(f"the preprocessed case {name!r} has values that are not finite. Check the image.")
    geometry = Geometry.of(image.shape[1:], properties, plans, dims)
    return Picture(torch.from_numpy(image[:, 0] if dims == 2 else image), geometry)
