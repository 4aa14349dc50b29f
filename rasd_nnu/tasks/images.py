"""Images as nnU-Net preprocesses them, from its preprocessed cases or straight from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rasd_nnu.errors import DatasetError
from rasd_nnu.tasks.stored import Plan


def read_preprocessed(dataset: Any, name: str) -> tuple[np.ndarray, Mapping[str, Any]]:
    """Return the image ``(C, *S)`` float32 and nnU-Net's properties of a preprocessed case.

    Args:
        dataset: nnU-Net's reader of preprocessed cases.
        name: The case.

    Raises:
        DatasetError: If it cannot be read, or has values that are not finite.
    """
    try:
        data, *_, properties = dataset.load_case(name)
        image = np.asarray(data[:], dtype=np.float32)
    except Exception as error:  # blosc, pickle and the file system each have their own
        raise DatasetError(
            f"cannot read the preprocessed case {name!r} ({type(error).__name__}: {error}). Preprocess again."
        ) from None
    return _finite(image, name), properties


class Preprocessor:
    """Preprocesses images from their files, as nnU-Net would for a plan.

    Args:
        files: Case -> the files of its channels, in order.
        plan: nnU-Net's.
    """

    def __init__(self, files: Mapping[str, Sequence[str]], plan: Plan) -> None:
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        self._files, self._dataset_json = files, dict(plan.dataset_json)
        self._plans = PlansManager(dict(plan.plans))
        self._configuration = self._plans.get_configuration(plan.configuration)
        self._preprocessor = self._configuration.preprocessor_class(verbose=False)
        self._reader = self._plans.image_reader_writer_class()

    def __call__(self, name: str) -> tuple[np.ndarray, Mapping[str, Any]]:
        """Return the image ``(C, *S)`` float32 and the properties of a case.

        Raises:
            DatasetError: If a file cannot be read, or the image has values that are not finite.
        """
        files = list(self._files[name])
        try:
            image, properties = self._reader.read_images(files)
        except Exception as error:  # every image library has its own
            raise DatasetError(f"cannot read {files[0]} ({type(error).__name__}: {error}). Check the file.") from None
        if len(image) != len(names := self._dataset_json["channel_names"].values()):
            raise DatasetError(
                f"case {name!r} has {len(image)} channel(s) in {len(files)} file(s) such as {files[0]}, expected "
                f"{len(names)}: {', '.join(names)}. Give images of the kind that the model was trained on."
            )
        try:
            image, _, properties = self._preprocessor.run_case_npy(
                image, None, properties, self._plans, self._configuration, self._dataset_json
            )
        except Exception as error:  # of a degenerate image: empty, of no spacing
            raise DatasetError(
                f"cannot preprocess {files[0]} ({type(error).__name__}: {error}). Check the image."
            ) from None
        return _finite(np.asarray(image, np.float32), name), properties


def _finite(image: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(image).all():
        raise DatasetError(f"the preprocessed case {name!r} has values that are not finite. Check the image.")
    return image
