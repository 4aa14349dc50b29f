"""Preprocessed images with their boxes, from nnU-Net's preprocessed cases or straight from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from rasd_nnu.tasks.detection.geometry import Geometry
from rasd_nnu.tasks.images import Preprocessor, read_preprocessed
from rasd_nnu.tasks.stored import Plan


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
        plan: nnU-Net's.
    """

    def __init__(self, dataset: Any, plan: Plan) -> None:
        self._dataset, self._plans, self._dims = dataset, plan.plans, plan.target.dims

    def __getitem__(self, name: str) -> Picture:
        """Read a case.

        Raises:
            DatasetError: If it cannot be read, or has values that are not finite.
        """
        return _picture(*read_preprocessed(self._dataset, name), self._plans, self._dims)


class FileImages:
    """Images that are preprocessed from their files.

    Args:
        files: Case -> the files of its channels.
        plan: nnU-Net's.
    """

    def __init__(self, files: Mapping[str, Sequence[str]], plan: Plan) -> None:
        self._preprocess = Preprocessor(files, plan)
        self._plans, self._dims = plan.plans, plan.target.dims

    def __getitem__(self, name: str) -> Picture:
        """Read and preprocess a case.

        Raises:
            DatasetError: If a file cannot be read, or the image has values that are not finite.
        """
        return _picture(*self._preprocess(name), self._plans, self._dims)


def _picture(image: np.ndarray, properties: Mapping[str, Any], plans: Mapping[str, Any], dims: int) -> Picture:
    geometry = Geometry.of(image.shape[1:], properties, plans, dims)
    return Picture(torch.from_numpy(image[:, 0] if dims == 2 else image), geometry)
