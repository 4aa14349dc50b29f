"""The planned preprocessing of an image, by nnU-Net's own code, and the way back to the image's own space."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rasd_nnu.checkpoints.read import Source
from rasd_nnu.errors import CheckpointError, PlansError
from rasd_nnu.features.images import CaseImage, FloatArray
from rasd_nnu.nnunet.commands import DEFAULT_PLANS
from rasd_nnu.nnunet.plans import NetworkTarget, read_plans
from rasd_nnu.nnunet.schema import inherited

#: nnU-Net's reader that turns images first, which nothing here does.
_TURNING = "NibabelIOWithReorient"


@dataclass(frozen=True)
class PreparedCase:
    """A preprocessed image.

    Args:
        image: ``(C, *S)``, normalised, on the network's grid, axes in the plan's order.
        properties: What nnU-Net noted down for the way back.
    """

    image: Tensor
    properties: dict[str, Any] = field(repr=False)


class Preprocessing:
    """Preprocess as a configuration of plans says.

    Args:
        plans: Plans, checked.
        configuration: One of their configurations.

    Raises:
        PlansError: If the configuration does not exist, or images are to be turned first.
    """

    def __init__(self, plans: dict[str, Any], configuration: str) -> None:
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        inherited(plans, configuration)
        if plans.get("image_reader_writer") == _TURNING:
            raise PlansError(
                f"the plans read images with {_TURNING}, which turns them first; features are made without. Plan "
                "without overwrite_image_reader_writer."
            )
        self._plans = PlansManager(plans)
        self._configuration = self._plans.get_configuration(configuration)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Spacing of the network's grid along the axes of an image (Z, Y, X) as far as it is planned, in mm."""
        planned = list(self._configuration.spacing)
        if len(planned) == 2:
            return tuple(planned)
        return tuple(float(planned[i]) for i in self._plans.transpose_backward)

    def prepare(self, case: CaseImage) -> PreparedCase:
        """Turn axes, cut to what is not zero, normalise and resample, as `nnUNetv2_plan_and_preprocess` does."""
        from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor

        properties: dict[str, Any] = {"spacing": list(case.spacing)}
        image, _, properties = DefaultPreprocessor(verbose=False).run_case_npy(
            case.array, None, properties, self._plans, self._configuration, {}
        )
        return PreparedCase(torch.from_numpy(np.ascontiguousarray(image, np.float32)), properties)

    def labels(self, labels: npt.NDArray[Any], prepared: PreparedCase) -> npt.NDArray[np.int64]:
        """Bring a label map ``(Z, Y, X)`` of the same image to the network's grid."""
        turned = labels.transpose(self._plans.transpose_forward)
        box = tuple(slice(*bounds) for bounds in prepared.properties["bbox_used_for_cropping"])
        target, original = prepared.image.shape[1:], self._spacings(prepared)
        resampled = self._configuration.resampling_fn_seg(turned[box][None], target, original[1], original[0])
        return np.asarray(resampled)[0].astype(np.int64)

    def back(self, features: Tensor, prepared: PreparedCase) -> FloatArray:
        """Bring ``(F, *S)`` from the network's grid to the image's, ``(F, Z, Y, X)``; 0 where nnU-Net cut away."""
        network, image = self._spacings(prepared)
        shape = prepared.properties["shape_after_cropping_and_before_resampling"]
        resampled = self._configuration.resampling_fn_probabilities(features.cpu(), shape, network, image)
        whole = np.zeros((len(features), *prepared.properties["shape_before_cropping"]), np.float32)
        box = tuple(slice(*bounds) for bounds in prepared.properties["bbox_used_for_cropping"])
        whole[(slice(None), *box)] = np.asarray(resampled)
        return whole.transpose(0, *(i + 1 for i in self._plans.transpose_backward))

    def _spacings(self, prepared: PreparedCase) -> tuple[list[float], list[float]]:
        """Return the spacing of the network's grid and that of the image, both in the plan's order of axes."""
        image = [prepared.properties["spacing"][i] for i in self._plans.transpose_forward]
        planned = list(self._configuration.spacing)
        return ([image[0], *planned] if len(planned) == 2 else planned), image


def preprocessing_for(
    source: Source, dataset: str | None = None, configuration: str | None = None, plans: str | None = None
) -> Preprocessing:
    """Return the preprocessing that a checkpoint's network expects.

    Args:
        source: The checkpoint.
        dataset: Id or name of a planned data set, whose plans are then followed to the letter.
        configuration: One of its configurations; the checkpoint's own unless given.
        plans: Name of its plans.

    Returns:
        That of the data set's plans, where one is given; of the plans in a checkpoint of nnU-Net; or one with the
        spacing and the normalisation that ours was pre-trained for.

    Raises:
        PlansError: If the plans or the configuration do not exist, are of another dimension, or are given without a
            data set.
        CheckpointError: If the file does not say enough.
    """
    target = described(source)
    for option, value in (("-c", configuration), ("-p", plans)):
        if value is not None and dataset is None:
            raise PlansError(f"{option} {value} needs --dataset. Add --dataset ID.")
    if dataset is not None:
        name = configuration or (source.meta.get("planned_for") or {}).get("configuration")
        if name is None:
            raise PlansError(f"--dataset {dataset} needs a configuration. Add -c 3d_fullres or -c 2d.")
        content = read_plans(dataset, plans or DEFAULT_PLANS)[0]
        if (axes := len(inherited(content, name)["patch_size"])) != target.dims:
            raise PlansError(f"configuration {name} is {axes}D, the network of {source.path} {target.dims}D.")
        return Preprocessing(content, name)
    if init := source.content.get("init_args"):
        return Preprocessing(init["plans"], init["configuration"])
    return Preprocessing(_standard_plans(source, target), "standard")


def described(source: Source) -> NetworkTarget:
    """Return the description of a checkpoint's network.

    Raises:
        CheckpointError: If the file has none.
    """
    if source.description is None:
        raise CheckpointError(
            f"{source.path} does not describe its network, so that it cannot be built. Use a checkpoint of `rasd_nnu "
            "pretrain` or of nnU-Net."
        )
    return source.description


def _standard_plans(source: Source, target: NetworkTarget) -> dict[str, Any]:
    """Return plans with the spacing and normalisation of a checkpoint, the rest as nnU-Net plans it by default."""
    schemes = tuple(source.meta.get("normalization") or ("ZScoreNormalization",) * target.input_channels)
    if "CTNormalization" in schemes:
        raise CheckpointError(
            f"{source.path} was made for CT intensities, whose range is in the plans of the data set. Give --dataset "
            "ID -c CONFIG."
        )
    resample = "resample_data_or_seg_to_shape"
    kwargs = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    return {
        "dataset_name": "Dataset000_Standard",
        "plans_name": "standard",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "foreground_intensity_properties_per_channel": {str(i): {} for i in range(len(schemes))},
        "configurations": {
            "standard": {
                "data_identifier": "standard",
                "batch_size": target.batch_size,
                "patch_size": list(target.patch_size),
                "spacing": list(target.spacing),
                "normalization_schemes": list(schemes),
                "use_mask_for_norm": [False] * len(schemes),
                "architecture": target.architecture,
                "resampling_fn_data": resample,
                "resampling_fn_data_kwargs": kwargs,
                "resampling_fn_seg": resample,
                "resampling_fn_seg_kwargs": {**kwargs, "is_seg": True, "order": 1},
                "resampling_fn_probabilities": resample,
                "resampling_fn_probabilities_kwargs": {**kwargs, "order": 1},
            }
        },
    }
